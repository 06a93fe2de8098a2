/*
 * A kernel is one function; natively it is called through main's timer, as a
 * guest it is exported. It answers a number that depends on all it did.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdint.h>

#ifdef __wasm__
#define KERNEL __attribute__((export_name("kernel"))) uint64_t kernel(uint32_t n)
#else
#define KERNEL uint64_t kernel(uint32_t n)
#endif

KERNEL;

#endif
