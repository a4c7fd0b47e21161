package dev.sluice.netlink;

import static dev.sluice.ffi.SystemCallException.check;

import dev.sluice.ffi.Errno;
import dev.sluice.ffi.NativeBuffer;
import dev.sluice.ffi.Sys;
import dev.sluice.ffi.SystemCallException;
import dev.sluice.net.MalformedValueException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A network namespace, held open by a descriptor so that it cannot vanish or be replaced by another
 * of the same name.
 *
 * <p>{@link #call} runs code inside: on a thread made for the purpose that ends afterwards, since a
 * thread that has changed its namespace must never be used for anything else. Sockets opened there
 * keep belonging to the namespace and can be used from any thread. See setns(2),
 * network_namespaces(7).
 */
public final class NetworkNamespace implements AutoCloseable {
  private static final AtomicInteger THREADS = new AtomicInteger();

  private final int fd;
  private final String description;
  private final AtomicBoolean closed = new AtomicBoolean();

  private NetworkNamespace(int fd, String description) {
    this.fd = fd;
    this.description = description;
  }

  /** The namespace of the calling thread. */
  public static NetworkNamespace current() {
    return open(Path.of("/proc/thread-self/ns/net"));
  }

  /**
   * The namespace bound to a file, usually {@code /run/netns/NAME}. A file that is none is not
   * opened, so that nothing happens to what it is, and no FIFO is waited for.
   *
   * @throws NotANetworkNamespaceException if the file is something else
   * @throws SystemCallException ENOENT if there is no such file
   */
  public static NetworkNamespace open(Path path) {
    String what = "open the network namespace " + path;
    int place =
        check(Sys.open(path.toString(), LinuxNetlink.O_PATH | LinuxNetlink.O_CLOEXEC, 0), what);
    try {
      Path file = ofDescriptor(place);
      if (!isNamespace(file)) {
        throw new NotANetworkNamespaceException(
            MalformedValueException.quote(path.toString()) + " is not a network namespace");
      }
      int fd =
          check(Sys.open(file.toString(), LinuxNetlink.O_RDONLY | LinuxNetlink.O_CLOEXEC, 0), what);
      int type = Sys.ioctl(fd, LinuxNetlink.NS_GET_NSTYPE, 0);
      if (type != LinuxNetlink.CLONE_NEWNET) {
        Sys.close(fd);
        check(type, what);
        throw new NotANetworkNamespaceException(
            MalformedValueException.quote(path.toString())
                + " is a namespace, but not a network namespace");
      }
      return new NetworkNamespace(fd, path.toString());
    } finally {
      Sys.close(place);
    }
  }

  /**
   * A new one, without a name: it goes with this object and with what was opened in it.
   *
   * @throws SystemCallException EPERM without CAP_SYS_ADMIN
   */
  public static NetworkNamespace create() {
    String what = "create a network namespace";
    try {
      return onThreadOfItsOwn(
          () -> check(Sys.unshare(LinuxNetlink.CLONE_NEWNET), what), NetworkNamespace::current);
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException("interrupted: cannot " + what, e);
    }
  }

  /**
   * Whether a file is a network namespace; false if there is no such file.
   *
   * @throws SystemCallException if that cannot be told, for want of rights
   */
  public static boolean isNetworkNamespace(Path path) {
    try {
      open(path).close();
      return true;
    } catch (NotANetworkNamespaceException e) {
      return false;
    } catch (SystemCallException e) {
      if (e.errno() == Errno.ENOENT || e.errno() == Errno.ENOTDIR || e.errno() == Errno.ELOOP) {
        return false;
      }
      throw e;
    }
  }

  /** The namespace of a process. */
  public static NetworkNamespace ofProcess(int pid) {
    return open(Path.of("/proc/" + pid + "/ns/net"));
  }

  /** The descriptor, owned by this object. */
  public int fd() {
    return fd;
  }

  /**
   * The number of the namespace's file, as in {@code net:[4026531840]}. The kernel gives the number
   * of a namespace that has gone to another one: {@link #cookie} is what tells them apart.
   */
  public long inode() {
    checkOpen();
    try {
      return (Long) Files.getAttribute(ofDescriptor(fd), "unix:ino");
    } catch (IOException e) {
      throw new UncheckedIOException(
          "cannot read the number of the network namespace " + description, e);
    }
  }

  /**
   * What the kernel calls the namespace (SO_NETNS_COOKIE, asm-generic/socket.h): an unsigned 64-bit
   * number, never used twice while the machine runs.
   *
   * @throws SystemCallException ENOPROTOOPT before Linux 5.14
   */
  public long cookie() {
    String what = "read the cookie of the network namespace " + description;
    try {
      return call(
          () -> {
            int socket =
                check(
                    Sys.socket(
                        LinuxNetlink.AF_NETLINK,
                        LinuxNetlink.SOCK_RAW | LinuxNetlink.SOCK_CLOEXEC,
                        LinuxNetlink.NETLINK_ROUTE),
                    what);
            try {
              return cookieOfSocket(socket, what);
            } finally {
              Sys.close(socket);
            }
          });
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException("interrupted: cannot " + what, e);
    }
  }

  /**
   * The cookie of the namespace a socket belongs to.
   *
   * @param what it is for, as it reads after "cannot"
   */
  static long cookieOfSocket(int fd, String what) {
    NativeBuffer cookie = NativeBuffer.allocate(Long.BYTES);
    check(Sys.getsockopt(fd, LinuxNetlink.SOL_SOCKET, LinuxNetlink.SO_NETNS_COOKIE, cookie), what);
    return cookie.bytes().getLong(0);
  }

  /**
   * Runs {@code action} inside the namespace and returns its result; what it throws is thrown here.
   */
  public <T> T call(Callable<T> action) throws Exception {
    checkOpen();
    return onThreadOfItsOwn(
        () ->
            check(
                Sys.setns(fd, LinuxNetlink.CLONE_NEWNET),
                "enter the network namespace " + description),
        action);
  }

  private static <T> T onThreadOfItsOwn(Runnable enter, Callable<T> action) throws Exception {
    FutureTask<T> task =
        new FutureTask<>(
            () -> {
              enter.run();
              return action.call();
            });
    Thread thread = new Thread(task, "netns-" + THREADS.incrementAndGet());
    thread.setDaemon(true);
    thread.start();
    try {
      return task.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof Exception cause) {
        throw cause;
      }
      throw e;
    }
  }

  private void checkOpen() {
    if (closed.get()) {
      throw new IllegalStateException("the network namespace " + description + " is closed");
    }
  }

  private static Path ofDescriptor(int fd) {
    return Path.of("/proc/self/fd/" + fd);
  }

  /** All namespaces are files of one file system, nsfs, so they share a device number. */
  private static boolean isNamespace(Path file) {
    try {
      return Files.getAttribute(file, "unix:dev")
          .equals(Files.getAttribute(Path.of("/proc/self/ns/net"), "unix:dev"));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read what " + file + " is", e);
    }
  }

  /** Does nothing the second time: by then the number may be another file's. */
  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      Sys.close(fd);
    }
  }

  @Override
  public String toString() {
    return description;
  }
}
