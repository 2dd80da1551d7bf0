/* Writing JSON to standard output through buffer_1: strings, and the members of an object one
 * after the other. A failed write is told by buffer_flush at the end. And, for whoever writes
 * much of it, strings into memory. */

#ifndef LARES_JSON_H
#define LARES_JSON_H

#include <stddef.h>
#include <stdint.h>

/* Quotation marks and all. A byte that is no part of an UTF-8 character becomes U+FFFD; 1 when
 * there was none. */
extern int json_string(char const *text);
/* The same of so many bytes, a NUL being one. */
extern int json_text(char const *text, size_t len);
/* `,"NAME":`, and that with a value; a null value is null. */
extern void json_key(char const *name);
extern int json_word(char const *name, char const *value);
extern void json_flag(char const *name, int value);
extern void json_unsigned(char const *name, uint64_t value);
extern void json_signed(char const *name, int64_t value);
extern void json_null(char const *name);
/* `,"NAME_hex":"..."` for a text that json_string or json_text could not give whole. */
extern void json_hex(char const *name, char const *text, size_t len);

/* --- escape.c: what stands between the quotation marks --- */

/* How many bytes stand for themselves. */
extern size_t json_plain(char const *text, size_t len);
extern size_t json_plain_bytewise(char const *text, size_t len);
/* Writes at most to limit: the end of what was written, or 0 if it does not fit. odd becomes 1
 * when a byte was no part of an UTF-8 character. */
extern char *json_escape(char *out, char const *limit, char const *text, size_t len, int *odd);
/* Two hexadecimal digits for each byte; the same is returned. */
extern char *json_digits(char *out, char const *limit, char const *bytes, size_t len);

#endif
