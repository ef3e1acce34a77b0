/* Loaded before MPI's own library (LD_PRELOAD), it ends a program that starts MPI. */

#include <stdio.h>
#include <stdlib.h>

int MPI_Init(int* argc, char*** argv);
int MPI_Init_thread(int* argc, char*** argv, int required, int* provided);

static int end(void) {
  fputs("MPI was started\n", stderr);
  abort();
}

int MPI_Init(int* argc, char*** argv) {
  (void)argc;
  (void)argv;
  return end();
}

int MPI_Init_thread(int* argc, char*** argv, int required, int* provided) {
  (void)argc;
  (void)argv;
  (void)required;
  (void)provided;
  return end();
}
