/* What differs between skalibs 2.13 and the later ones, so that it differs nowhere else.
 *
 * cspawn.h and the void pointers of iterator callbacks came in the same release, 2.14.0.0, so
 * one test decides about both. skalibs' version is a string, useless in #if.
 */

#ifndef LARES_SKALIBS_COMPAT_H
#define LARES_SKALIBS_COMPAT_H

#if defined(__has_include)
#if __has_include(<skalibs/cspawn.h>)
#define LARES_SKALIBS_2_14
#endif
#endif

#ifdef LARES_SKALIBS_2_14
#include <skalibs/cspawn.h>
/* The first parameter of a callback of genset_iter, gensetdyn_iter, avltree_iter. */
#define SKALIBS_ITEM void
#else
#include <skalibs/djbunix.h>
#define SKALIBS_ITEM char
#endif

#endif
