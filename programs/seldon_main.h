#pragma once
// The program seldon as a function, so that a program with parts of its own registers them and calls it
// (docs/extending.md).

namespace seldon::programs {

/// Takes a main's arguments, returns its exit code (core/error.h) and throws nothing. Call once.
int seldon_main(int argc, char** argv);

}  // namespace seldon::programs
