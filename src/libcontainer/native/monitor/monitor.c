// SPDX-License-Identifier: Apache-2.0
// The monitor: init's parent where the container outlives its caller, and a program of
// its own, so that nothing of the launch stays with it. It holds what init writes to,
// copies it to a log and to whoever is attached, and leaves the record of how init
// ended. It stays outside of every namespace of the container.

#include "../helper/message.h"

ARCH_ENTRY;

_Noreturn void helper_start(const long *stack);

enum {
    MAX_CLIENTS = 8,
    MAX_NAMES = LC_MAX_LOGS * (NAME_MAX + 1),
    CLIENT_PATIENCE_S = 1,  // who does not read for so long is let go
    CHUNK = 4096,
    LAST_CHUNKS = 256,  // what is read at the most once init has ended
    CHLD = 1 << (SIGCHLD - 1),
};

struct monitor {
    int fd[LC_WATCH_FDS];  // -1: none
    int signals;
    int client[MAX_CLIENTS];
    int nclients;
    bool terminal;  // SOURCE is a master, which who attaches gets as well
    bool quiet;     // SOURCE had nobody who writes
    int init;
    uint32_t nnames;
    uint64_t max_size, size;
    const char *names[LC_MAX_LOGS];
    siginfo_t end;
};

// Where no new file can be made the old one grows: output is never a reason to stop.
static void rotate_log(struct monitor *monitor)
{
    int folder = monitor->fd[LC_LOG_FOLDER];
    struct statx file = {0};
    for (uint32_t i = monitor->nnames - 1; i > 0; i--)
        sys(renameat2, folder, monitor->names[i - 1], folder, monitor->names[i], 0);
    int log = sys(openat, folder, monitor->names[0],
                  O_WRONLY | O_APPEND | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK |
                      O_CLOEXEC,
                  0600);
    if (log < 0)
        return;
    if (fd_statx(log, STATX_TYPE, &file) < 0 || (file.stx_mode & S_IFMT) != S_IFREG) {
        sys(close, log);
        return;
    }
    sys(close, monitor->fd[LC_LOG]);
    monitor->fd[LC_LOG] = log;
    monitor->size = 0;
}

static void write_log(struct monitor *monitor, const char *data, size_t size)
{
    if (monitor->fd[LC_LOG] < 0 || monitor->nnames == 0)
        return;
    if (monitor->max_size != 0 && monitor->size + size > monitor->max_size)
        rotate_log(monitor);
    while (size > 0) {
        long wrote = sys(write, monitor->fd[LC_LOG], data, size);
        if (wrote <= 0)
            return;
        data += wrote;
        size -= (size_t)wrote;
        monitor->size += (uint64_t)wrote;
    }
}

static void drop_client(struct monitor *monitor, int index)
{
    sys(close, monitor->client[index]);
    monitor->client[index] = monitor->client[--monitor->nclients];
}

static void add_client(struct monitor *monitor)
{
    const long patience[2] = {CLIENT_PATIENCE_S, 0};
    struct lc_message hello = {.kind = LC_TERMINAL_FD};
    int client = sys(accept4, monitor->fd[LC_LISTENER], NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    sys(setsockopt, client, SOL_SOCKET, SO_SNDTIMEO, patience, sizeof(patience));
    int master = monitor->terminal ? monitor->fd[LC_SOURCE] : -1;
    if (monitor->nclients == MAX_CLIENTS ||
        message_pass(client, &hello, master, MSG_DONTWAIT) < 0) {
        sys(close, client);
        return;
    }
    monitor->client[monitor->nclients++] = client;
}

// False when nobody holds the other end. A terminal may be opened again.
static bool copy_output(struct monitor *monitor)
{
    char data[CHUNK];
    long got = sys(read, monitor->fd[LC_SOURCE], data, sizeof(data));
    if (got == -EINTR || got == -EAGAIN)
        return true;
    if (got <= 0)
        return false;
    write_log(monitor, data, (size_t)got);
    for (int i = monitor->nclients - 1; i >= 0; i--)
        if (sys(sendto, monitor->client[i], data, (size_t)got, MSG_NOSIGNAL, NULL, 0) <
            0)
            drop_client(monitor, i);
    return true;
}

static void copy_rest(struct monitor *monitor)
{
    struct pollfd source = {monitor->fd[LC_SOURCE], POLLIN, 0};
    for (int i = 0; i < LAST_CHUNKS && source.fd >= 0; i++) {
        long now[2] = {0, 0};
        if (sys(ppoll, &source, 1, now, NULL, 0) <= 0 || !copy_output(monitor))
            return;
    }
}

// Orphans of a container without a pid namespace of its own come to us as well.
static bool init_has_ended(struct monitor *monitor)
{
    uint64_t info[16];  // struct signalfd_siginfo
    sys(read, monitor->signals, info, sizeof(info));
    for (;;) {
        siginfo_t *child = &monitor->end;
        *child = (siginfo_t){0};
        int result = sys(waitid, P_ALL, 0, child, WEXITED | WNOHANG | __WALL, NULL);
        if (result < 0 || child->si_pid == monitor->init)
            return true;
        if (child->si_pid == 0)
            return false;
    }
}

static void watch(struct monitor *monitor)
{
    struct pollfd polls[3 + MAX_CLIENTS];
    for (;;) {
        long second[2] = {1, 0};  // the kernel counts it down
        int clients = monitor->nclients;
        polls[0] = (struct pollfd){monitor->signals, POLLIN, 0};
        polls[1] = (struct pollfd){monitor->fd[LC_LISTENER], POLLIN, 0};
        polls[2] =
            (struct pollfd){monitor->quiet ? -1 : monitor->fd[LC_SOURCE], POLLIN, 0};
        for (int i = 0; i < clients; i++)
            polls[3 + i] = (struct pollfd){monitor->client[i], 0, 0};
        bool look_again = monitor->quiet && monitor->terminal;
        int ready = sys(ppoll, polls, 3 + (unsigned int)clients,
                        look_again ? second : NULL, NULL, 0);
        monitor->quiet = monitor->quiet && !(look_again && ready == 0);
        for (int i = clients - 1; i >= 0 && ready > 0; i--)
            if (polls[3 + i].revents != 0)
                drop_client(monitor, i);
        if (ready > 0 && polls[2].revents != 0)
            monitor->quiet = !copy_output(monitor);
        if (ready > 0 && polls[1].revents != 0)
            add_client(monitor);
        if (ready > 0 && polls[0].revents != 0 && init_has_ended(monitor))
            return;
    }
}

static void write_record(const struct monitor *monitor)
{
    long now[2] = {0, 0};
    sys(clock_gettime, CLOCK_REALTIME, now);
    struct lc_exit record = {
        LC_EXIT_MAGIC,          monitor->init, monitor->end.si_code,
        monitor->end.si_status, now[0],        now[1]};
    int folder = monitor->fd[LC_FOLDER];
    int fd = sys(openat, folder, ".exit.new",
                 O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    if (sys(write, fd, &record, sizeof(record)) == (long)sizeof(record))
        sys(renameat2, folder, ".exit.new", folder, "exit", 0);
    sys(close, fd);
}

// What there is to do, as the caller tells it. Nothing that it says is taken on trust:
// a number too large, a name without an end would be read from beyond the message.
static int hear(struct monitor *monitor)
{
    static struct {
        struct lc_watch watch;
        char names[MAX_NAMES];
    } heard;
    int came[LC_WATCH_FDS];
    uint32_t count = LC_WATCH_FDS;
    const struct lc_watch *told = &heard.watch;
    int size = message_receive(LC_CALLER, &heard, sizeof(heard), came, &count);
    const int end = size - (int)sizeof(*told);  // of the names
    if (end < 0 || told->kind != LC_GO || told->nnames > LC_MAX_LOGS)
        return -EPROTO;
    for (int i = 0; i < LC_WATCH_FDS; i++) {
        if (told->fd[i] < -1 || told->fd[i] >= (int)count)
            return -EPROTO;
        monitor->fd[i] = told->fd[i] < 0 ? -1 : came[told->fd[i]];
    }
    int at = 0;
    for (uint32_t i = 0; i < told->nnames; i++, at++) {
        monitor->names[i] = heard.names + at;
        while (at < end && heard.names[at] != '\0')
            at++;
        if (at >= end)
            return -EPROTO;
    }
    monitor->nnames = told->nnames;
    monitor->max_size = told->max_size;
    monitor->terminal = told->terminal != 0;
    monitor->init = told->init;
    return 0;
}

// Without this word, which may be long in coming but not for ever (the socket has a
// time limit), it has nothing to do here. The lease (R17): nothing of this container
// may stay then, and the caller, or init by its own lease, ends what there is.
static int begin(struct monitor *monitor)
{
    const uint64_t child = CHLD;
    struct lc_message hello = {.kind = LC_CLONED};
    int self = sys(pidfd_open, sys(getpid, 0), 0);
    monitor->signals =
        sys(signalfd4, -1, &child, sizeof(child), O_CLOEXEC | O_NONBLOCK);
    // Without it the end of init would not be seen.
    if (monitor->signals < 0)
        return monitor->signals;
    message_pass(LC_CALLER, &hello, self, 0);
    sys(close, self);
    int result = sys(chdir, "/");
    return result < 0 ? result : hear(monitor);
}

// Whoever starts it has blocked every signal: none ends it but SIGKILL.
void helper_start(const long *stack)
{
    static struct monitor monitor;
    struct statx log = {0};
    (void)stack;
    // Its memory is nobody's to look at, and its descriptors nobody's to take (R9).
    if (sys(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || begin(&monitor) < 0)
        exit_group(1);
    if (monitor.fd[LC_LOG] >= 0 && fd_statx(monitor.fd[LC_LOG], STATX_SIZE, &log) == 0)
        monitor.size = log.stx_size;
    if (!init_has_ended(&monitor))
        watch(&monitor);
    copy_rest(&monitor);
    write_record(&monitor);
    exit_group(0);
}
