// SPDX-License-Identifier: Apache-2.0
// Makes the Nth system call of one process of a tree go wrong.
//
//   inject [-q PROCESS] [-n ORDINAL] [-a ACTION] [-x NUMBER] [-l] PID
//   inject [...] -- PROGRAM ARGUMENT...
//
// strace counts per name of a call and per thread; a campaign wants "the 117th call
// of the helper", so this counts all calls of a process, its threads together.
// Processes are numbered from 0 as they appear; -q -1 counts those of all of them.
// Counting begins with the mark lseek(-77, 0x7157) of process 0 (with a PROGRAM: with
// its own execve) and ends with lseek(-77, 0x7158).
//
//   -a kill        SIGKILL to the process as it enters the call
//   -a stop        SIGSTOP, and leave it alone from then on
//   -a NUMBER      the call is not made and fails with this errno; close(2) is
//                  made, for the kernel lets go of a descriptor whatever it reports
//   -a short       a read or a write of more than one byte is one of one byte
//   -x NUMBER      every call of this number (with -n 0)
//   -l             list the calls: a line "PROCESS NUMBER RESULT" for each
//
// Prints "hit PROCESS NUMBER" where it struck. Exits when process 0 has ended, or with
// 3 if nothing was struck; what still runs is let go.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_THREADS = 512, MAX_PROCESSES = 128, BEGIN = 0x7157, END = 0x7158 };
enum action { NOTHING, KILL, STOP, FAIL, SHORT };

struct thread {
    pid_t tid;
    int process;
    long number;
    bool seized;
    bool replace;
};

static struct thread threads[MAX_THREADS];
static pid_t processes[MAX_PROCESSES];
static int nprocesses;
static long counts[MAX_PROCESSES], all;
static bool counting, listing, struck;
static int wanted_process = -1;
static long wanted_ordinal = -1, wanted_number = -1;
static enum action action = NOTHING;
static int failure;

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static pid_t group_of(pid_t tid)
{
    char path[64], line[128];
    pid_t group = tid;
    snprintf(path, sizeof path, "/proc/%d/status", tid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return tid;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Tgid: %d", &group) == 1)
            break;
    fclose(file);
    return group;
}

static struct thread *thread_of(pid_t tid)
{
    for (int i = 0; i < MAX_THREADS; i++)
        if (threads[i].tid == tid)
            return &threads[i];
    for (int i = 0; i < MAX_THREADS; i++) {
        if (threads[i].tid != 0)
            continue;
        pid_t group = group_of(tid);
        int process = 0;
        while (process < nprocesses && processes[process] != group)
            process++;
        if (process == MAX_PROCESSES)
            die("too many processes");
        if (process == nprocesses)
            processes[nprocesses++] = group;
        threads[i] = (struct thread){.tid = tid, .process = process, .number = -1};
        return &threads[i];
    }
    die("too many threads");
    return NULL;
}

static void poke(pid_t tid, size_t offset, long value)
{
    if (ptrace(PTRACE_POKEUSER, tid, offset, value) < 0 && errno != ESRCH)
        die("POKEUSER");
}

// What the kernel does even where it reports an error.
static bool is_made_anyway(long number)
{
    return number == SYS_close;
}

static bool takes_size(long number)
{
    return number == SYS_read || number == SYS_write || number == SYS_pread64 ||
           number == SYS_pwrite64;
}

static bool is_mark(const struct __ptrace_syscall_info *info, unsigned which)
{
    return info->entry.nr == SYS_lseek && (int)info->entry.args[0] == -77 &&
           info->entry.args[1] == which;
}

// What returns no error, whatever happens.
static bool cannot_fail(long number)
{
    return number == SYS_getpid || number == SYS_getppid || number == SYS_gettid ||
           number == SYS_getuid || number == SYS_geteuid || number == SYS_getgid ||
           number == SYS_getegid || number == SYS_umask || number == SYS_alarm ||
           number == SYS_exit || number == SYS_exit_group ||
           number == SYS_rt_sigreturn;
}

// Tell whether the thread is to be left alone from now on.
static bool strike(struct thread *thread, const struct __ptrace_syscall_info *info)
{
    long number = (long)info->entry.nr;
    // One call earlier or later than the last time, it may be one of these.
    if (action == FAIL && cannot_fail(number))
        return false;
    struck = true;
    printf("hit %d %ld\n", thread->process, number);
    fflush(stdout);
    if (action == KILL)
        kill(processes[thread->process], SIGKILL);
    if (action == STOP)
        return ptrace(PTRACE_DETACH, thread->tid, 0, SIGSTOP) == 0;
    if (action == FAIL) {
        thread->replace = true;
        if (!is_made_anyway(number))
            poke(thread->tid, offsetof(struct user, regs.orig_rax), -1);
    }
    if (action == SHORT && takes_size(number) && info->entry.args[2] > 1)
        poke(thread->tid, offsetof(struct user, regs.rdx), 1);
    return false;
}

static bool at_entry(struct thread *thread, const struct __ptrace_syscall_info *info)
{
    thread->number = (long)info->entry.nr;
    if (thread->process == 0 && is_mark(info, BEGIN)) {
        counting = true;
        return false;
    }
    if (thread->process == 0 && is_mark(info, END)) {
        counting = false;
        // Whoever traces itself for a while ends us behind this mark.
        fflush(stdout);
    }
    if (!counting)
        return false;
    long ordinal = ++counts[thread->process];
    all++;
    bool ours = wanted_process < 0 || wanted_process == thread->process;
    bool here = wanted_ordinal == 0
                    ? thread->number == wanted_number
                    : (wanted_process < 0 ? all : ordinal) == wanted_ordinal;
    if (action != NOTHING && ours && here)
        return strike(thread, info);
    return false;
}

static void at_exit_of_call(struct thread *thread, const struct __ptrace_syscall_info *info)
{
    if (thread->replace)
        poke(thread->tid, offsetof(struct user, regs.rax), -failure);
    thread->replace = false;
    if (listing && counting)
        printf("%d %ld %lld\n", thread->process, thread->number,
               (long long)info->exit.rval);
}

static bool on_syscall(struct thread *thread)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread->tid, sizeof info, &info) < 0)
        return false;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
        return at_entry(thread, &info);
    if (info.op == PTRACE_SYSCALL_INFO_EXIT)
        at_exit_of_call(thread, &info);
    return false;
}

static void on_stop(struct thread *thread, int status)
{
    int given = 0, request = PTRACE_SYSCALL;
    int number = WSTOPSIG(status), event = status >> 16;
    if (number == (SIGTRAP | 0x80)) {
        if (on_syscall(thread)) {
            thread->tid = 0;
            return;
        }
    } else if (event == PTRACE_EVENT_STOP) {
        // A group stop keeps it stopped; the first stop of a new one does not.
        if (number != SIGTRAP)
            request = PTRACE_LISTEN;
    } else if (event == 0) {
        given = number;
    }
    if (ptrace(request, thread->tid, 0, given) < 0 && errno != ESRCH)
        die("continue");
}

static void run(void)
{
    while (nprocesses == 0 || processes[0] != 0) {
        int status;
        pid_t tid = waitpid(-1, &status, __WALL);
        if (tid < 0)
            return;
        struct thread *thread = thread_of(tid);
        if (WIFSTOPPED(status)) {
            on_stop(thread, status);
            continue;
        }
        thread->tid = 0;
        if (tid == processes[0])
            processes[0] = 0;
    }
}

static void seize(pid_t pid)
{
    const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
                         PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC;
    if (ptrace(PTRACE_SEIZE, pid, 0, options) < 0)
        die("SEIZE");
    thread_of(pid);
    if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0)
        die("INTERRUPT");
}

static void start(char **argv)
{
    int gate[2];
    if (pipe(gate) < 0)
        die("pipe");
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        close(gate[1]);
        if (read(gate[0], &byte, 1) < 0)
            _exit(126);
        close(gate[0]);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(gate[0]);
    seize(pid);
    counting = true;
    // The calls before its execve are few and always the same.
    if (write(gate[1], "x", 1) < 0)
        die("write");
    close(gate[1]);
}

static void set_action(const char *word)
{
    if (strcmp(word, "kill") == 0)
        action = KILL;
    else if (strcmp(word, "stop") == 0)
        action = STOP;
    else if (strcmp(word, "short") == 0)
        action = SHORT;
    else {
        action = FAIL;
        failure = atoi(word);
    }
}

int main(int argc, char **argv)
{
    for (int option; (option = getopt(argc, argv, "+q:n:a:x:l")) != -1;) {
        if (option == 'q')
            wanted_process = atoi(optarg);
        else if (option == 'n')
            wanted_ordinal = atol(optarg);
        else if (option == 'x')
            wanted_number = atol(optarg);
        else if (option == 'a')
            set_action(optarg);
        else if (option == 'l')
            listing = true;
        else
            return 2;
    }
    if (optind >= argc)
        return 2;
    if (strcmp(argv[optind - 1], "--") == 0) {
        start(argv + optind);
    } else {
        seize(atoi(argv[optind]));
        printf("ready\n");
        fflush(stdout);
    }
    run();
    fflush(stdout);
    return struck || action == NOTHING ? 0 : 3;
}
