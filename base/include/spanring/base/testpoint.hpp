// Testpoints: named places where a test stops or kills a process, in the code as it is shipped.
//
//     SPANRING_TESTPOINT("page.claimed");
//
// is a label and nothing else: no instruction, no byte that is loaded. Name and address stand in a
// section of the file, `.spanring.testpoints`, as 8 bytes of address and the name with its zero,
// one after the other. A test reads them there and plants a breakpoint (tests/process/kill). The
// compiler moves no access to memory across it. Code that is inlined or instantiated several times
// has the name as often.
#pragma once

#ifdef __ELF__
// "?": in the group of the code's section, so that both stay or go. `inline`: counts as one
// instruction where the compiler weighs what to inline.
#define SPANRING_TESTPOINT(name)                                         \
    __asm__ __inline__ __volatile__(                                     \
        "990:\n\t.pushsection .spanring.testpoints,\"?\",%%progbits\n\t" \
        ".8byte 990b\n\t.asciz \"" name "\"\n\t.popsection" ::           \
            : "memory")
#else
#define SPANRING_TESTPOINT(name) static_cast<void>(0)
#endif
