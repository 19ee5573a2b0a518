/* The layout of the shared-memory ABI as Markdown, printed by a C11 program part: what the headers
 * say, not what somebody remembers. No threads. */
#ifndef SPANRING_TESTS_LAYOUT_TABLE_H
#define SPANRING_TESTS_LAYOUT_TABLE_H

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Prints one table per struct. Returns the number of bytes that no field covers (must be 0). */
unsigned spanring_print_structs(FILE* out);
/* Prints the table of record kinds. */
void spanring_print_records(FILE* out);

#ifdef __cplusplus
}
#endif

#endif
