package dev.sluice.ffi;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import jnr.ffi.LibraryLoader;
import jnr.ffi.LibraryOption;
import jnr.ffi.Pointer;

/**
 * System calls. Each method carries the name of the C function it calls and returns what the
 * function returned, or {@code -errno} when it failed, so that hot paths need no exception and no
 * second call to learn the reason.
 *
 * <p>Addresses come from {@link NativeBuffer#address()}; the caller keeps the buffer reachable
 * during the call.
 */
public final class Sys {
  private static final LibcCalls LIBC =
      LibraryLoader.create(LibcCalls.class)
          .option(LibraryOption.SaveError, true)
          .failImmediately()
          .load("c");
  private static final jnr.ffi.Runtime RUNTIME = jnr.ffi.Runtime.getRuntime(LIBC);

  private Sys() {}

  public static int socket(int domain, int type, int protocol) {
    return result(LIBC.socket(domain, type, protocol));
  }

  public static int bind(int fd, NativeBuffer address, int addressLength) {
    return result(LIBC.bind(fd, address.address(), addressLength));
  }

  public static int listen(int fd, int backlog) {
    return result(LIBC.listen(fd, backlog));
  }

  public static int getsockname(int fd, NativeBuffer address, NativeBuffer addressLength) {
    return result(LIBC.getsockname(fd, address.address(), addressLength.address()));
  }

  public static int connect(int fd, NativeBuffer address, int addressLength) {
    return result(LIBC.connect(fd, address.address(), addressLength));
  }

  public static int send(int fd, long data, int length, int flags) {
    return result(LIBC.send(fd, data, length, flags));
  }

  public static int recv(int fd, long data, int capacity, int flags) {
    return result(LIBC.recv(fd, data, capacity, flags));
  }

  /** {@link DescriptorMessage} builds the header. */
  static int sendmsg(int fd, NativeBuffer messageHeader, int flags) {
    return result(LIBC.sendmsg(fd, messageHeader.address(), flags));
  }

  public static int setsockopt(int fd, int level, int name, int value) {
    NativeBuffer buffer = Scratch.get();
    buffer.bytes().putInt(0, value);
    return result(LIBC.setsockopt(fd, level, name, buffer.address(), Integer.BYTES));
  }

  /** Reads an option into {@code value} and returns its length in bytes. */
  public static int getsockopt(int fd, int level, int name, NativeBuffer value) {
    NativeBuffer length = Scratch.get();
    length.bytes().putInt(0, value.capacity());
    int result = result(LIBC.getsockopt(fd, level, name, value.address(), length.address()));
    return result < 0 ? result : length.bytes().getInt(0);
  }

  /**
   * Waits until {@code fd} has one of {@code events}; returns the events seen, 0 after the timeout.
   */
  public static int poll(int fd, int events, int timeoutMillis) {
    NativeBuffer pollfd = Scratch.get();
    pollfd.bytes().putInt(0, fd).putShort(4, (short) events).putShort(6, (short) 0);
    int result = result(LIBC.poll(pollfd.address(), 1, timeoutMillis));
    return result <= 0 ? result : pollfd.bytes().getShort(6) & 0xffff;
  }

  public static int open(String path, int flags, int mode) {
    return result(LIBC.open(path, flags, mode));
  }

  public static int close(int fd) {
    return result(LIBC.close(fd));
  }

  public static int dup(int fd) {
    return result(LIBC.dup(fd));
  }

  public static int fcntl(int fd, int command, int argument) {
    return result(LIBC.fcntl(fd, command, argument));
  }

  public static int ioctl(int fd, long request, long argument) {
    return result(LIBC.ioctl(fd, request, argument));
  }

  public static int flock(int fd, int operation) {
    return result(LIBC.flock(fd, operation));
  }

  public static int setns(int fd, int namespaceType) {
    return result(LIBC.setns(fd, namespaceType));
  }

  public static int unshare(int flags) {
    return result(LIBC.unshare(flags));
  }

  public static int mount(
      String source, String target, String filesystemType, long flags, String data) {
    return result(LIBC.mount(source, target, filesystemType, flags, data));
  }

  public static int umount2(String target, int flags) {
    return result(LIBC.umount2(target, flags));
  }

  public static int geteuid() {
    return LIBC.geteuid();
  }

  public static int gettid() {
    return LIBC.gettid();
  }

  public static int kill(int pid, int signal) {
    return result(LIBC.kill(pid, signal));
  }

  static String strerror(int errno) {
    return LIBC.strerror(errno);
  }

  static long addressOf(ByteBuffer direct) {
    return Pointer.wrap(RUNTIME, direct).address();
  }

  private static int result(long returned) {
    return returned == -1 ? -RUNTIME.getLastError() : (int) returned;
  }

  /** A few bytes per thread for option values and pollfd, so that these calls allocate nothing. */
  private static final class Scratch {
    private static final ThreadLocal<NativeBuffer> BUFFER =
        ThreadLocal.withInitial(() -> NativeBuffer.allocate(64));

    static NativeBuffer get() {
      NativeBuffer buffer = BUFFER.get();
      buffer.bytes().order(ByteOrder.nativeOrder());
      return buffer;
    }
  }
}
