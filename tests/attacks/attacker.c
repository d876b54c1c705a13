// SPDX-License-Identifier: Apache-2.0
// What hostile programs do, one attack a word: run by the tests, inside a container
// or beside it, and only against files and processes that a test made.
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ended;

static void on_end(int number) {
    (void)number;
    ended = 1;
}

static void say(const char *what, long result) {
    printf("%s %s\n", what, result < 0 ? strerrorname_np(errno) : "ok");
    fflush(stdout);
}

// exchange A B...: swap the names of each pair until SIGTERM, then tell how often.
static int exchange(char **names, int count) {
    long swaps = 0;
    signal(SIGTERM, on_end);
    puts("ready");
    fflush(stdout);
    while (!ended)
        for (int i = 0; i + 1 < count; i += 2)
            swaps += renameat2(AT_FDCWD, names[i], AT_FDCWD, names[i + 1],
                               RENAME_EXCHANGE) == 0;
    printf("%ld\n", swaps);
    return 0;
}

// look NAME...: where it is, what is mounted, what each name holds.
static int look(char **names, int count) {
    char text[65536];
    if (!getcwd(text, sizeof text))
        strcpy(text, "?");
    printf("cwd %s\n", text);
    for (int i = 0; i < count; i++) {
        int fd = open(names[i], O_RDONLY | O_NONBLOCK);
        ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        text[size < 0 ? 0 : size] = 0;
        text[strcspn(text, "\n")] = 0;
        printf("holds %s %s\n", names[i], size < 0 ? strerrorname_np(errno) : text);
        if (fd >= 0)
            close(fd);
    }
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    while (mounts && fgets(text, sizeof text, mounts))
        printf("mount %s", text);
    return 0;
}

static void spy_link(int pid, const char *name) {
    char path[300], target[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    ssize_t size = readlink(path, target, sizeof target - 1);
    if (size < 0)
        return;
    target[size] = 0;
    printf("link %s %s\n", name, target);
}

static void spy_directory(int pid, const char *name) {
    char path[64], entry_name[300];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (entry->d_name[0] != '.') {
            snprintf(entry_name, sizeof entry_name, "%s/%s", name, entry->d_name);
            spy_link(pid, entry_name);
        }
    if (directory)
        closedir(directory);
}

// Stop the process and read what it is while it cannot change.
static void seize(int pid) {
    if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
        return;
    if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0 && waitpid(pid, NULL, __WALL) == pid) {
        char path[64], target[PATH_MAX] = "";
        snprintf(path, sizeof path, "/proc/%d/exe", pid);
        ssize_t size = readlink(path, target, sizeof target - 1);
        target[size < 0 ? 0 : size] = 0;
        printf("seized %s\n", target);
    }
    ptrace(PTRACE_DETACH, pid, 0, 0);
}

// Take fd numbers 0 to 15 of the process, read a byte of its memory.
static void steal(int pid) {
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    for (int number = 0; pidfd >= 0 && number < 16; number++) {
        int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
        if (fd < 0)
            continue;
        char path[64], target[PATH_MAX] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t size = readlink(path, target, sizeof target - 1);
        target[size < 0 ? 0 : size] = 0;
        printf("stolen %s\n", target);
        close(fd);
    }
    if (pidfd >= 0)
        close(pidfd);
}

// spy WAYS: look at every other process of the pid namespace, over and over, until
// SIGTERM: l reads links, s seizes, f takes descriptors.
static int spy(const char *ways) {
    signal(SIGTERM, on_end);
    puts("ready");
    fflush(stdout);
    while (!ended) {
        DIR *directory = opendir("/proc");
        for (struct dirent *entry; directory && (entry = readdir(directory));) {
            int pid = isdigit((unsigned char)entry->d_name[0]) ? atoi(entry->d_name) : 0;
            if (pid <= 0 || pid == getpid())
                continue;
            if (strchr(ways, 'l')) {
                spy_link(pid, "exe");
                spy_link(pid, "cwd");
                spy_link(pid, "root");
                spy_directory(pid, "fd");
                spy_directory(pid, "map_files");
            }
            if (strchr(ways, 's'))
                seize(pid);
            if (strchr(ways, 'f'))
                steal(pid);
        }
        if (directory)
            closedir(directory);
    }
    fflush(stdout);
    return 0;
}

struct handle {
    struct file_handle head;
    unsigned char bytes[128];
};

// handle-of PATH: the kernel's handle of a file, as text.
static int handle_of(const char *path) {
    struct handle handle = {.head.handle_bytes = sizeof handle.bytes};
    int mount;
    if (name_to_handle_at(AT_FDCWD, path, &handle.head, &mount, 0) < 0)
        return 1;
    printf("%d ", handle.head.handle_type);
    for (unsigned i = 0; i < handle.head.handle_bytes; i++)
        printf("%02x", handle.head.f_handle[i]);
    putchar('\n');
    return 0;
}

// open-handle TYPE HEX MOUNT: what the file of a handle holds.
static int open_handle(const char *type, const char *hex, const char *mount) {
    struct handle handle = {.head.handle_type = atoi(type)};
    handle.head.handle_bytes = (unsigned)strlen(hex) / 2;
    for (unsigned i = 0; i < handle.head.handle_bytes; i++) {
        unsigned byte;
        sscanf(hex + 2 * i, "%2x", &byte);
        handle.head.f_handle[i] = (unsigned char)byte;
    }
    int fd = open_by_handle_at(open(mount, O_RDONLY), &handle.head, O_RDONLY);
    char text[256] = "";
    say("open_by_handle_at", fd);
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0)
        printf("holds %s\n", text);
    return 0;
}

// type TEXT: put it into the input of the terminal at fd 0, as if it was typed.
static int type_text(const char *text) {
    long result = 0;
    for (; *text && result == 0; text++)
        result = ioctl(0, TIOCSTI, text);
    say("TIOCSTI", result);
    return 0;
}

// stubborn: ignore what can be ignored, and run on.
static _Noreturn void stubborn(void) {
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_IGN);
    puts("ready");
    fflush(stdout);
    for (;;)
        sleep(1000);
}

// orphans COUNT: processes whose parent is gone, which end at once.
static int orphans(int count) {
    for (int i = 0; i < count; i++) {
        int child = fork();
        if (child == 0) {
            if (fork() == 0)
                _exit(0);
            _exit(0);
        }
        if (child < 0) {
            say("fork", -1);
            return 1;
        }
        waitpid(child, NULL, 0);
    }
    puts("ready");
    fflush(stdout);
    for (;;)
        sleep(1000);
}

// ids: what a set-id or capable program gained by being executed.
static int ids(void) {
    char line[256];
    printf("uid %d %d gid %d %d\n", getuid(), geteuid(), getgid(), getegid());
    FILE *status = fopen("/proc/self/status", "re");
    while (status && fgets(line, sizeof line, status))
        if (!strncmp(line, "CapEff", 6) || !strncmp(line, "CapPrm", 6))
            fputs(line, stdout);
    return 0;
}

int main(int argc, char **argv) {
    const char *word = argc > 1 ? argv[1] : "";
    if (!strcmp(word, "exchange"))
        return exchange(argv + 2, argc - 2);
    if (!strcmp(word, "look"))
        return look(argv + 2, argc - 2);
    if (!strcmp(word, "spy") && argc == 3)
        return spy(argv[2]);
    if (!strcmp(word, "handle-of") && argc == 3)
        return handle_of(argv[2]);
    if (!strcmp(word, "open-handle") && argc == 5)
        return open_handle(argv[2], argv[3], argv[4]);
    if (!strcmp(word, "type") && argc == 3)
        return type_text(argv[2]);
    if (!strcmp(word, "stubborn"))
        stubborn();
    if (!strcmp(word, "orphans") && argc == 3)
        return orphans(atoi(argv[2]));
    if (!strcmp(word, "ids"))
        return ids();
    return 2;
}
