/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP through the proxy: a session for each client, and address it asked.
 *
 * Each session has a socket of its own that is connected to the backend, so that the kernel lets
 * nobody else answer. Answers leave through the listener's socket with the address that the client
 * had asked as their source (IP_PKTINFO, IPV6_PKTINFO). Sessions end when they were idle for as long
 * as connection tracking waits, or when the room is needed: first who never got an answer, the
 * longest idle first.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "error.h"
#include "proxy.h"

#define TURNS 4	/* reads of PROXY_DATAGRAMS per turn */
#define RECEIVE_BUFFER (1 << 20)

union pktinfo {
	struct in_pktinfo v4;
	struct in6_pktinfo v6;
};

int proxy_udp_prepare(int fd)
{
	int domain = 0, one = 1, buffer = RECEIVE_BUFFER;
	socklen_t bytes = sizeof(domain);
	int flags;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) < 0)
		return sluice_fail(errno, "getsockopt(%d, SO_DOMAIN)", fd);
	if (domain == AF_INET
		    ? setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)) < 0
		    : setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one)) < 0)
		return sluice_fail(errno, "setsockopt(%d, PKTINFO)", fd);
	/* Within net.core.rmem_max. A reserved socket has the smallest buffer there is. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)) < 0)
		return sluice_fail(errno, "setsockopt(%d, SO_RCVBUF)", fd);
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return sluice_fail(errno, "fcntl(%d, O_NONBLOCK)", fd);
	return 0;
}

/* --- sessions ----------------------------------------------------------------------------------- */

static struct proxy_session **bucket(struct proxy_worker *worker,
				     const struct proxy_listener *listener,
				     const union proxy_address *client, const struct in6_addr *local)
{
	uint64_t hash = 0xcbf29ce484222325u ^ listener->id;
	const uint8_t *p = client->any.sa_family == AF_INET ? (const uint8_t *)&client->v4.sin_addr
							    : client->v6.sin6_addr.s6_addr;
	size_t bytes = client->any.sa_family == AF_INET ? 4 : 16, i;

	for (i = 0; i < bytes; i++)
		hash = (hash ^ p[i]) * 0x100000001b3u;
	for (i = 0; i < 16; i++)
		hash = (hash ^ local->s6_addr[i]) * 0x100000001b3u;
	/* The port stands in the same place in both families. */
	hash = (hash ^ client->v4.sin_port) * 0x9e3779b97f4a7c15u;
	return &worker->session_table[(hash >> 32) % (2 * PROXY_MAX_SESSIONS)];
}

static bool same_client(const union proxy_address *one, const union proxy_address *other)
{
	if (one->any.sa_family != other->any.sa_family || one->v4.sin_port != other->v4.sin_port)
		return false;
	if (one->any.sa_family == AF_INET)
		return one->v4.sin_addr.s_addr == other->v4.sin_addr.s_addr;
	return one->v6.sin6_scope_id == other->v6.sin6_scope_id &&
	       !memcmp(&one->v6.sin6_addr, &other->v6.sin6_addr, sizeof(one->v6.sin6_addr));
}

static struct proxy_idle *idle_list(struct proxy_worker *worker, const struct proxy_session *session)
{
	return session->replied ? &worker->replied : &worker->unreplied;
}

static void unlink_idle(struct proxy_worker *worker, struct proxy_session *session)
{
	struct proxy_idle *list = idle_list(worker, session);

	if (session->older)
		session->older->newer = session->newer;
	else
		list->oldest = session->newer;
	if (session->newer)
		session->newer->older = session->older;
	else
		list->newest = session->older;
}

static void link_newest(struct proxy_worker *worker, struct proxy_session *session)
{
	struct proxy_idle *list = idle_list(worker, session);

	session->used_ns = worker->now_ns;
	session->newer = NULL;
	session->older = list->newest;
	if (list->newest)
		list->newest->newer = session;
	else
		list->oldest = session;
	list->newest = session;
}

static void touch(struct proxy_worker *worker, struct proxy_session *session, bool replied)
{
	unlink_idle(worker, session);
	session->replied |= replied;
	link_newest(worker, session);
}

static void end_session(struct proxy_worker *worker, struct proxy_session *session)
{
	*session->hash_back = session->hash_next;
	if (session->hash_next)
		session->hash_next->hash_back = session->hash_back;
	*session->back = session->next;
	if (session->next)
		session->next->back = session->back;
	unlink_idle(worker, session);
	proxy_close(worker, session->fd);
	session->fd = -1;
	session->dead = true;
	session->next = worker->dead_sessions;
	worker->dead_sessions = session;
	worker->session_count--;
	proxy_count(&worker->stats.sessions, -1);
}

void proxy_udp_bury(struct proxy_worker *worker)
{
	while (worker->dead_sessions) {
		struct proxy_session *session = worker->dead_sessions;

		worker->dead_sessions = session->next;
		session->next = worker->free_sessions;
		worker->free_sessions = session;
	}
}

static struct proxy_session *allocate(struct proxy_worker *worker)
{
	struct proxy_session *session = worker->free_sessions;

	if (!session) {
		struct proxy_session_slab *slab = calloc(1, sizeof(*slab));
		int i;

		if (!slab)
			return NULL;
		slab->next = worker->session_slabs;
		worker->session_slabs = slab;
		for (i = 0; i < PROXY_SESSIONS_PER_SLAB; i++) {
			slab->sessions[i].next = worker->free_sessions;
			worker->free_sessions = &slab->sessions[i];
		}
		session = worker->free_sessions;
	}
	worker->free_sessions = session->next;
	memset(session, 0, sizeof(*session));
	return session;
}

static void make_room(struct proxy_worker *worker)
{
	struct proxy_session *oldest =
		worker->unreplied.oldest ? worker->unreplied.oldest : worker->replied.oldest;

	if (oldest && (worker->session_count >= worker->session_limit || !proxy_has_room(worker, 1))) {
		proxy_count(&worker->stats.sessions_evicted, 1);
		end_session(worker, oldest);
	}
}

static int connect_to(struct proxy_worker *worker, const struct proxy_target *target,
		      struct proxy_session *session)
{
	struct epoll_event event = {
		.events = EPOLLIN,
		.data.u64 = (uint64_t)(uintptr_t)session | KIND_SESSION,
	};
	int fd = socket(target->address.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	worker->descriptors++;
	if (connect(fd, &target->address.any, proxy_address_bytes(&target->address)) < 0 ||
	    epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		proxy_close(worker, fd);
		return -1;
	}
	return fd;
}

static struct proxy_session *begin(struct proxy_worker *worker, struct proxy_listener *listener,
				   const union proxy_address *client, const struct in6_addr *local,
				   uint32_t interface)
{
	struct proxy_session **place = bucket(worker, listener, client, local);
	struct proxy_session *session;

	make_room(worker);
	session = proxy_has_room(worker, 1) ? allocate(worker) : NULL;
	if (!session) {
		proxy_count(&worker->stats.no_descriptor, 1);
		return NULL;
	}
	session->fd = connect_to(worker, proxy_pick(worker, listener, client), session);
	if (session->fd < 0) {
		proxy_count(&worker->stats.refused, 1);
		session->next = worker->free_sessions;
		worker->free_sessions = session;
		return NULL;
	}
	session->listener = listener;
	session->client = *client;
	session->local = *local;
	session->local_interface = interface;
	session->hash_next = *place;
	session->hash_back = place;
	if (session->hash_next)
		session->hash_next->hash_back = &session->hash_next;
	*place = session;
	session->next = listener->sessions;
	session->back = &listener->sessions;
	if (session->next)
		session->next->back = &session->next;
	listener->sessions = session;
	link_newest(worker, session);
	worker->session_count++;
	proxy_count(&worker->stats.sessions, 1);
	proxy_count(&worker->stats.sessions_total, 1);
	return session;
}

static struct proxy_session *session_of(struct proxy_worker *worker, struct proxy_listener *listener,
					const union proxy_address *client,
					const struct in6_addr *local, uint32_t interface)
{
	struct proxy_session *session = *bucket(worker, listener, client, local);

	for (; session; session = session->hash_next)
		if (session->listener == listener && same_client(&session->client, client) &&
		    !memcmp(&session->local, local, sizeof(*local)))
			return session;
	return begin(worker, listener, client, local, interface);
}

/* --- datagrams ---------------------------------------------------------------------------------- */

static int receive(struct proxy_worker *worker, int fd)
{
	struct proxy_datagrams *datagrams = worker->datagrams;
	int i;

	for (i = 0; i < PROXY_DATAGRAMS; i++) {
		datagrams->parts[i].iov_len = PROXY_DATAGRAM_BYTES;
		datagrams->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &datagrams->senders[i],
			.msg_namelen = sizeof(datagrams->senders[i]),
			.msg_iov = &datagrams->parts[i],
			.msg_iovlen = 1,
			.msg_control = datagrams->control[i],
			.msg_controllen = sizeof(datagrams->control[i]),
		};
	}
	return recvmmsg(fd, datagrams->messages, PROXY_DATAGRAMS, MSG_DONTWAIT, NULL);
}

/* Which address of ours a datagram came to; false where the kernel did not say. */
static bool local_address(struct msghdr *message, struct in6_addr *local, uint32_t *interface)
{
	struct cmsghdr *header;

	memset(local, 0, sizeof(*local));
	*interface = 0;
	for (header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
		union pktinfo info;

		if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO &&
		    header->cmsg_len >= CMSG_LEN(sizeof(info.v4))) {
			memcpy(&info.v4, CMSG_DATA(header), sizeof(info.v4));
			memcpy(local, &info.v4.ipi_addr, sizeof(info.v4.ipi_addr));
			return true;
		}
		if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO &&
		    header->cmsg_len >= CMSG_LEN(sizeof(info.v6))) {
			memcpy(&info.v6, CMSG_DATA(header), sizeof(info.v6));
			*local = info.v6.ipi6_addr;
			if (IN6_IS_ADDR_LINKLOCAL(local))
				*interface = info.v6.ipi6_ifindex;
			return true;
		}
	}
	return false;
}

/* To the backend; an error that an earlier datagram caused is told once, and in its place. */
static bool pass_on(int fd, const void *bytes, size_t length)
{
	ssize_t sent = send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent < 0 && (errno == ECONNREFUSED || errno == EHOSTUNREACH || errno == ENETUNREACH))
		sent = send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent >= 0;
}

void proxy_udp_receive(struct proxy_worker *worker, struct proxy_listener *listener)
{
	struct proxy_datagrams *datagrams = worker->datagrams;
	int turn, i, count = PROXY_DATAGRAMS;

	for (turn = 0; turn < TURNS && count == PROXY_DATAGRAMS; turn++) {
		count = receive(worker, listener->fd);
		for (i = 0; i < count; i++) {
			struct msghdr *message = &datagrams->messages[i].msg_hdr;
			unsigned int bytes = datagrams->messages[i].msg_len;
			struct proxy_session *session = NULL;
			struct in6_addr local;
			uint32_t interface;

			if (local_address(message, &local, &interface))
				session = session_of(worker, listener, &datagrams->senders[i], &local,
						     interface);
			if (!session || !pass_on(session->fd, datagrams->bytes[i], bytes)) {
				proxy_count(&worker->stats.dropped, 1);
				continue;
			}
			proxy_count(&worker->stats.bytes_in, bytes);
			touch(worker, session, false);
		}
	}
}

/* Makes of what came from the backend what leaves for the client. */
static void address_answer(struct msghdr *message, struct proxy_session *session)
{
	bool ipv4 = session->client.any.sa_family == AF_INET;
	struct cmsghdr *header;
	union pktinfo info;

	memset(&info, 0, sizeof(info));
	message->msg_name = &session->client;
	message->msg_namelen = proxy_address_bytes(&session->client);
	message->msg_controllen = CMSG_SPACE(ipv4 ? sizeof(info.v4) : sizeof(info.v6));
	message->msg_flags = 0;
	memset(message->msg_control, 0, message->msg_controllen);
	header = CMSG_FIRSTHDR(message);
	if (ipv4) {
		memcpy(&info.v4.ipi_spec_dst, &session->local, sizeof(info.v4.ipi_spec_dst));
		header->cmsg_level = IPPROTO_IP;
		header->cmsg_type = IP_PKTINFO;
		header->cmsg_len = CMSG_LEN(sizeof(info.v4));
		memcpy(CMSG_DATA(header), &info.v4, sizeof(info.v4));
	} else {
		info.v6.ipi6_addr = session->local;
		info.v6.ipi6_ifindex = session->local_interface;
		header->cmsg_level = IPPROTO_IPV6;
		header->cmsg_type = IPV6_PKTINFO;
		header->cmsg_len = CMSG_LEN(sizeof(info.v6));
		memcpy(CMSG_DATA(header), &info.v6, sizeof(info.v6));
	}
}

void proxy_udp_answer(struct proxy_worker *worker, struct proxy_session *session)
{
	struct proxy_datagrams *datagrams = worker->datagrams;
	int turn, i, count = PROXY_DATAGRAMS;

	if (session->dead)
		return;
	for (turn = 0; turn < TURNS && count == PROXY_DATAGRAMS; turn++) {
		int sent = 0;

		/* -1: nothing there, or the backend refuses; reading the error has cleared it. */
		count = receive(worker, session->fd);
		for (i = 0; i < count; i++) {
			datagrams->parts[i].iov_len = datagrams->messages[i].msg_len;
			address_answer(&datagrams->messages[i].msg_hdr, session);
		}
		for (i = 0; i < count; i += sent > 0 ? sent : 1) {
			int k;

			sent = sendmmsg(session->listener->fd, &datagrams->messages[i],
					(unsigned int)(count - i), MSG_DONTWAIT | MSG_NOSIGNAL);
			if (sent <= 0)
				proxy_count(&worker->stats.dropped, 1);
			for (k = 0; k < sent; k++)
				proxy_count(&worker->stats.bytes_out, datagrams->messages[i + k].msg_len);
		}
		if (count > 0)
			touch(worker, session, true);
	}
}

/* --- ending ------------------------------------------------------------------------------------- */

void proxy_udp_cut(struct proxy_worker *worker, struct proxy_listener *listener)
{
	while (listener->sessions)
		end_session(worker, listener->sessions);
}

static uint64_t ends_at(const struct proxy_session *oldest, uint64_t idle_ns)
{
	return oldest ? oldest->used_ns + idle_ns : UINT64_MAX;
}

uint64_t proxy_udp_deadline(const struct proxy_worker *worker)
{
	uint64_t unreplied = ends_at(worker->unreplied.oldest, worker->proxy->unreplied_ns);
	uint64_t replied = ends_at(worker->replied.oldest, worker->proxy->replied_ns);
	uint64_t first = unreplied < replied ? unreplied : replied;

	return first == UINT64_MAX ? 0 : first;
}

void proxy_udp_expire(struct proxy_worker *worker)
{
	while (ends_at(worker->unreplied.oldest, worker->proxy->unreplied_ns) <= worker->now_ns)
		end_session(worker, worker->unreplied.oldest);
	while (ends_at(worker->replied.oldest, worker->proxy->replied_ns) <= worker->now_ns)
		end_session(worker, worker->replied.oldest);
}

void proxy_udp_free(struct proxy_worker *worker)
{
	while (worker->session_slabs) {
		struct proxy_session_slab *slab = worker->session_slabs;

		worker->session_slabs = slab->next;
		free(slab);
	}
}
