package dev.sluice.ffi;

import jnr.ffi.types.size_t;
import jnr.ffi.types.ssize_t;

/**
 * The libc functions bound by jnr-ffi, spelled as C spells them. Memory is passed as an address,
 * because converting a ByteBuffer costs more than the call itself. {@link Sys} is what everybody
 * else uses.
 *
 * <p>No function here has six arguments: jnr-ffi's own stubs for x86-64 pass rubbish as the sixth
 * (jnr-ffi issue 181), and calling without them costs more.
 */
public interface LibcCalls {
  int socket(int domain, int type, int protocol);

  int bind(int fd, long address, int addressLength);

  int listen(int fd, int backlog);

  int getsockname(int fd, long address, long addressLengthAddress);

  int connect(int fd, long address, int addressLength);

  @ssize_t
  long send(int fd, long data, @size_t long length, int flags);

  @ssize_t
  long recv(int fd, long data, @size_t long length, int flags);

  @ssize_t
  long sendmsg(int fd, long messageHeader, int flags);

  int setsockopt(int fd, int level, int name, long value, int valueLength);

  int getsockopt(int fd, int level, int name, long value, long valueLengthAddress);

  int poll(long pollfds, long count, int timeoutMillis);

  int open(String path, int flags, int mode);

  int close(int fd);

  int dup(int fd);

  int fcntl(int fd, int command, int argument);

  int ioctl(int fd, long request, long argument);

  int flock(int fd, int operation);

  int setns(int fd, int namespaceType);

  int unshare(int flags);

  int mount(String source, String target, String filesystemType, long flags, String data);

  int umount2(String target, int flags);

  int geteuid();

  int gettid();

  int kill(int pid, int signal);

  String strerror(int errno);
}
