#pragma once
// One function, several instruction sets, chosen at start. Sanitizers and ifunc resolvers do not go together,
// and other compilers and processors have one version only.

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define SELDON_HAS_CLONES
#define SELDON_VECTOR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SELDON_VECTOR_CLONES
#endif
