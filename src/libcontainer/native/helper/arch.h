// SPDX-License-Identifier: Apache-2.0
// What differs between processors: the first instruction, the system call
// instruction and the signal return. Everything else is the same C.
#ifndef LC_ARCH_H
#define LC_ARCH_H

// Included by main.c alone: the entry point, which hands the initial stack
// (argc, argv, environment) to helper_start.
#if defined(__x86_64__)

#define ARCH_ENTRY                                                              \
    __asm__(".globl _start\n"                                                   \
            "_start:\n"                                                         \
            "    xor %ebp, %ebp\n"                                              \
            "    mov %rsp, %rdi\n"                                              \
            "    and $-16, %rsp\n"                                              \
            "    call helper_start\n"                                           \
            "    hlt\n"                                                         \
            ".globl arch_restorer\n"                                            \
            "arch_restorer:\n"                                                  \
            "    mov $15, %eax\n"                                               \
            "    syscall\n")

// This kernel has no default way back from a handler: without a restorer the
// delivery itself is a fault.
#define ARCH_NEEDS_RESTORER 1
void arch_restorer(void);

static inline long arch_syscall(long number, long a, long b, long c, long d, long e,
                                long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "+a"(number)
                     : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return number;
}

#elif defined(__aarch64__)

#define ARCH_ENTRY                                                              \
    __asm__(".globl _start\n"                                                   \
            "_start:\n"                                                         \
            "    mov x29, #0\n"                                                 \
            "    mov x30, #0\n"                                                 \
            "    mov x0, sp\n"                                                  \
            "    bl helper_start\n"                                             \
            "    brk #0\n")

#define ARCH_NEEDS_RESTORER 0

static inline long arch_syscall(long number, long a, long b, long c, long d, long e,
                                long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}

#else
#error "no entry point and system call written for this processor"
#endif
#endif
