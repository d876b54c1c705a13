// SPDX-License-Identifier: Apache-2.0
// The monitor: init's parent where the container outlives its caller. It holds what
// init writes to, copies it to a log and to whoever is attached, and leaves the
// record of how init ended. It stays outside of every namespace of the container.

#include "helper.h"

enum {
    MAX_CLIENTS = 8,
    CLIENT_PATIENCE_S = 1,  // who does not read for so long is let go
    CHUNK = 4096,
    LAST_CHUNKS = 256,  // what is read at the most once init has ended
    CHLD = 1 << (SIGCHLD - 1),
};

enum held { CALLER, LISTENER, FOLDER, LOG_FOLDER, SOURCE, LOG, SIGNALS_FD, HELD };

struct monitor {
    int fd[HELD];  // -1: none
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

static int open_log(struct monitor *monitor, int flags)
{
    struct statx file = {0};
    int fd =
        sys(openat, monitor->fd[LOG_FOLDER], monitor->names[0],
            O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags,
            0600);
    if (fd < 0)
        return fd;
    int result = fd_statx(fd, STATX_TYPE | STATX_SIZE, &file);
    if (result == 0 && (file.stx_mode & S_IFMT) != S_IFREG)
        result = -EINVAL;
    if (result < 0) {
        sys(close, fd);
        return result;
    }
    if (monitor->fd[LOG] >= 0)
        sys(close, monitor->fd[LOG]);
    monitor->fd[LOG] = fd;
    monitor->size = file.stx_size;
    return 0;
}

// Where no new file can be made the old one grows: output is never a reason to stop.
static void rotate_log(struct monitor *monitor)
{
    int folder = monitor->fd[LOG_FOLDER];
    for (uint32_t i = monitor->nnames - 1; i > 0; i--)
        sys(renameat2, folder, monitor->names[i - 1], folder, monitor->names[i], 0);
    open_log(monitor, O_TRUNC);
}

static void write_log(struct monitor *monitor, const char *data, size_t size)
{
    if (monitor->fd[LOG] < 0)
        return;
    if (monitor->max_size != 0 && monitor->size + size > monitor->max_size)
        rotate_log(monitor);
    while (size > 0) {
        long wrote = sys(write, monitor->fd[LOG], data, size);
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
    int client = sys(accept4, monitor->fd[LISTENER], NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    sys(setsockopt, client, SOL_SOCKET, SO_SNDTIMEO, patience, sizeof(patience));
    int master = monitor->terminal ? monitor->fd[SOURCE] : -1;
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
    long got = sys(read, monitor->fd[SOURCE], data, sizeof(data));
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
    struct pollfd source = {monitor->fd[SOURCE], POLLIN, 0};
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
    sys(read, monitor->fd[SIGNALS_FD], info, sizeof(info));
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
        polls[0] = (struct pollfd){monitor->fd[SIGNALS_FD], POLLIN, 0};
        polls[1] = (struct pollfd){monitor->fd[LISTENER], POLLIN, 0};
        polls[2] =
            (struct pollfd){monitor->quiet ? -1 : monitor->fd[SOURCE], POLLIN, 0};
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
    int folder = monitor->fd[FOLDER];
    int fd = sys(openat, folder, ".exit.new",
                 O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    if (sys(write, fd, &record, sizeof(record)) == (long)sizeof(record))
        sys(renameat2, folder, ".exit.new", folder, "exit", 0);
    sys(close, fd);
}

static bool hears_in_time(const struct helper *helper, int fd)
{
    struct pollfd poll = {fd, POLLIN, 0};
    const uint64_t ms = helper->plan.head->deadline_ms;
    const long limit[2] = {(long)(ms / 1000), (long)(ms % 1000 * 1000000)};
    return sys(ppoll, &poll, 1, ms ? limit : NULL, NULL, sizeof(uint64_t)) == 1;
}

// The lease (R17): without the caller's word nothing of this container may stay, and
// the caller, or init by its own lease, ends what there is.
static _Noreturn void serve(struct helper *helper, struct monitor *monitor)
{
    const uint64_t child = CHLD, all = ~(uint64_t)0;
    struct lc_message message = {.kind = LC_CLONED};
    int master = -1, self = sys(pidfd_open, sys(getpid, 0), 0);
    helper->control = -1;
    // From here on no signal ends it, the alarm neither: it waits by the clock.
    sys(rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all));
    monitor->fd[SIGNALS_FD] =
        sys(signalfd4, -1, &child, sizeof(child), O_CLOEXEC | O_NONBLOCK);
    // Without it the end of init would not be seen.
    if (monitor->fd[SIGNALS_FD] < 0)
        exit_group(1);
    message_pass(monitor->fd[CALLER], &message, self, 0);
    if (close_others(monitor->fd, HELD, -1) < 0 || sys(chdir, "/") < 0 ||
        !hears_in_time(helper, monitor->fd[CALLER]) ||
        message_receive(monitor->fd[CALLER], &message, &master) != 0 ||
        message.kind != LC_GO)
        exit_group(1);
    if (master >= 0)
        monitor->fd[SOURCE] = master;
    monitor->terminal = master >= 0;
    monitor->init = (int)message.step;
    if (!init_has_ended(monitor))
        watch(monitor);
    copy_rest(monitor);
    write_record(monitor);
    exit_group(0);
    __builtin_unreachable();
}

static int prepare(struct helper *helper, const struct lc_op *op,
                   struct monitor *monitor)
{
    const struct lc_monitor *data = plan_data(&helper->plan, op);
    const char *name = plan_text(&helper->plan, op);
    for (int i = 0; i < LC_MONITOR_SLOTS; i++)
        monitor->fd[i] = data->slot[i] < 0 ? -1 : helper->slots[data->slot[i]];
    monitor->fd[LOG] = monitor->fd[SIGNALS_FD] = -1;
    monitor->nnames = op->count;
    monitor->max_size = op->arg;
    for (uint32_t i = 0; i < op->count; i++, name = plan_next(name))
        monitor->names[i] = name;
    return op->count > 0 ? open_log(monitor, 0) : 0;
}

// Two clones: the first takes the monitor away from the caller, who has nothing to
// reap then; the second goes on with the plan. Nothing of the container is entered yet.
int op_monitor(struct helper *helper, const struct lc_op *op)
{
    struct monitor monitor = {0};
    struct clone_args apart = {0}, child = {.exit_signal = SIGCHLD};
    int result = prepare(helper, op, &monitor);
    if (result < 0)
        return result;
    result = sys(clone3, &apart, sizeof(apart));
    if (result > 0)
        exit_group(0);
    if (result == 0)
        result = sys(setsid, 0);
    if (result >= 0)
        result = sys(prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (result == 0)
        result = sys(clone3, &child, sizeof(child));
    if (result < 0)
        return at(LC_WHERE_CLONE, result);
    if (result > 0)
        serve(helper, &monitor);
    const struct lc_monitor *data = plan_data(&helper->plan, op);
    for (int i = 0; i < LC_MONITOR_SLOTS; i++)
        if (data->slot[i] >= 0)
            set_slot(helper, data->slot[i], -1);
    // Init may wait at the gate for long: nothing of the caller waits with it.
    result = close_others(helper->slots, helper->plan.head->nslots, -1);
    return result < 0 ? at(LC_WHERE_FDS, result) : report_clone(helper, 0);
}
