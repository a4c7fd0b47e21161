package dev.sluice.netlink;

import static dev.sluice.ffi.SystemCallException.check;

import dev.sluice.ffi.Sys;
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

  /** The namespace bound to a file, usually {@code /run/netns/NAME}. */
  public static NetworkNamespace open(Path path) {
    int fd =
        check(
            Sys.open(path.toString(), LinuxNetlink.O_RDONLY | LinuxNetlink.O_CLOEXEC, 0),
            "open the network namespace " + path);
    return new NetworkNamespace(fd, path.toString());
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
   * Runs {@code action} inside the namespace and returns its result; what it throws is thrown here.
   */
  public <T> T call(Callable<T> action) throws Exception {
    if (closed.get()) {
      throw new IllegalStateException("the network namespace " + description + " is closed");
    }
    FutureTask<T> task =
        new FutureTask<>(
            () -> {
              check(
                  Sys.setns(fd, LinuxNetlink.CLONE_NEWNET),
                  "enter the network namespace " + description);
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
