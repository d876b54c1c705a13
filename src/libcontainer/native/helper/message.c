// SPDX-License-Identifier: Apache-2.0
// The control socket (SOCK_SEQPACKET): one struct lc_message a message.

#include "helper.h"

// A connection to the gate that says nothing for this long gives way to the next.
enum { GATE_PATIENCE_S = 1 };

struct rights {
    size_t size;
    int level;
    int type;
    int fd;
    int padding;
};

int message_pass(int socket, struct lc_message *message, int fd, int flags)
{
    struct iovec part = {message, sizeof(*message)};
    struct rights rights = {offsetof(struct rights, padding), SOL_SOCKET, SCM_RIGHTS,
                            fd, 0};
    struct msghdr header = {.parts = &part, .nparts = 1};
    if (fd >= 0) {
        header.control = &rights;
        header.control_size = sizeof(rights);
    }
    long sent;
    do
        sent = sys(sendmsg, socket, &header, flags | MSG_NOSIGNAL);
    while (sent == -EINTR);
    return sent < 0 ? (int)sent : 0;
}

int message_send(const struct helper *helper, enum lc_message_kind kind, int fd)
{
    struct lc_message message = {.kind = kind, .step = helper->step};
    return message_pass(helper->control, &message, fd, 0);
}

// Also called from the alarm handler, so it may not wait.
void message_failed(int control, uint32_t step, int error, uint32_t where)
{
    struct lc_message message = {LC_FAILED, step, error, where};
    message_pass(control, &message, -1, MSG_DONTWAIT);
}

// 0 after LC_GO, -EPIPE when the other side is gone, -EPROTO after anything else.
// There is no room for rights, so the kernel drops any fd that comes with a message.
int message_await_go(int socket)
{
    struct lc_message message = {0};
    long got;
    do
        got = sys(recvfrom, socket, &message, sizeof(message), 0, NULL, NULL);
    while (got == -EINTR);
    if (got < 0)
        return (int)got;
    if (got == 0)
        return -EPIPE;
    return got == sizeof(message) && message.kind == LC_GO ? 0 : -EPROTO;
}

// One message, and what rights of `*size` bytes come with it; the length of the message.
static long receive(int socket, struct lc_message *message, void *rights, size_t *size)
{
    struct iovec part = {message, sizeof(*message)};
    struct msghdr header = {.parts = &part,
                            .nparts = 1,
                            .control = rights,
                            .control_size = *size};
    long got;
    do
        got = sys(recvmsg, socket, &header, MSG_CMSG_CLOEXEC);
    while (got == -EINTR);
    *size = header.control_size;
    return got == 0 ? -EPIPE : got;
}

// LC_GO with exactly `count` fds, at most LC_MAX_TAKEN; else as message_await_go.
int message_take(int socket, int32_t *fds, uint32_t count)
{
    struct lc_message message = {0};
    struct {
        size_t size;
        int level;
        int type;
        int fds[LC_MAX_TAKEN];
    } rights = {0};
    size_t size = sizeof(rights);
    const long got = receive(socket, &message, &rights, &size);
    if (got < 0)
        return (int)got;
    const size_t wanted = offsetof(__typeof__(rights), fds) + count * sizeof(int);
    if (got != sizeof(message) || message.kind != LC_GO || size == 0 ||
        rights.type != SCM_RIGHTS || rights.size != wanted)
        return -EPROTO;
    for (uint32_t i = 0; i < count; i++)
        fds[i] = rights.fds[i];
    return 0;
}

// One message of any kind, with at most one fd; -EPIPE when the other side is gone.
int message_receive(int socket, struct lc_message *message, int *fd)
{
    struct rights rights = {.fd = -1};
    size_t size = sizeof(rights);
    const long got = receive(socket, message, &rights, &size);
    if (got < 0)
        return (int)got;
    *fd = size > 0 && rights.type == SCM_RIGHTS ? rights.fd : -1;
    return got == sizeof(*message) ? 0 : -EPROTO;
}

// The first connection that says LC_GO. One that closes, stays silent or says
// something else is not the one that starts us.
int message_accept_go(int listener)
{
    const long patience[2] = {GATE_PATIENCE_S, 0};
    for (;;) {
        int connection = sys(accept4, listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection == -EINTR || connection == -ECONNABORTED)
            continue;
        if (connection < 0)
            return connection;
        sys(setsockopt, connection, SOL_SOCKET, SO_RCVTIMEO, patience,
            sizeof(patience));
        if (message_await_go(connection) == 0)
            return connection;
        sys(close, connection);
    }
}
