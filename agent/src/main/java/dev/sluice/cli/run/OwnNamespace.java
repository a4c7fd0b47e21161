package dev.sluice.cli.run;

import static dev.sluice.ffi.SystemCallException.check;

import dev.sluice.api.Problem;
import dev.sluice.api.ProblemException;
import dev.sluice.ffi.Sys;
import dev.sluice.ffi.SystemCallException;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import dev.sluice.netlink.LinuxNetlink;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.stream.Collectors;

/**
 * Runs a command in a new network namespace, in which {@code /sys} shows the interfaces of that
 * namespace and {@code /etc/resolv.conf} names the servers of its networks (unshare(2),
 * mount_namespaces(7)).
 *
 * <p>One thread makes the namespaces for itself and starts the command, which inherits them. They
 * have no name and nobody else holds them: whatever happens to this process, they end with the last
 * process inside.
 */
public final class OwnNamespace {
  // linux/sched.h
  private static final int CLONE_NEWNS = 0x20000;

  // sys/mount.h
  private static final long MS_NOSUID = 2;
  private static final long MS_NODEV = 4;
  private static final long MS_BIND = 0x1000;
  private static final long MS_REC = 0x4000;
  private static final long MS_SLAVE = 0x80000;
  private static final int MNT_DETACH = 2;

  private static final String SYS = "/sys";
  private static final String CGROUPS = "/sys/fs/cgroup";
  private static final Path RESOLV_CONF = Path.of("/etc/resolv.conf");

  /** As many as libc asks (MAXNS, resolv.h). */
  private static final int MAX_SERVERS = 3;

  private static final int SIGNALLED = 128;

  private final List<String> command;
  private final Membership membership;
  private final ForwardedSignals signals = ForwardedSignals.install();

  private OwnNamespace(List<String> command, Membership membership) {
    this.command = List.copyOf(command);
    this.membership = membership;
  }

  /**
   * Runs the command to its end.
   *
   * @return its exit code; 128 + n where signal n ended it
   * @throws ProblemException if the namespace cannot be made
   * @throws NotStartedException if the command cannot be started
   */
  public static int run(List<String> command, Membership membership) {
    if (Sys.geteuid() != 0) {
      throw new ProblemException(
          Problem.of(
              Problem.Kind.NOT_PERMITTED,
              "sluice run must be root: it makes a network namespace; try sudo sluice run"));
    }
    FutureTask<Integer> task = new FutureTask<>(new OwnNamespace(command, membership)::runInside);
    // A thread that has changed its namespaces must not be used for anything else.
    Thread thread = new Thread(task, "sandbox");
    thread.start();
    try {
      return task.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof SystemCallException refused) {
        throw new ProblemException(
            Problem.of(Problem.Kind.UNAVAILABLE, String.valueOf(refused.getMessage())));
      }
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw new IllegalStateException(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while the command was running", e);
    }
  }

  private int runInside() throws InterruptedException {
    check(Sys.unshare(LinuxNetlink.CLONE_NEWNET | CLONE_NEWNS), "make a network namespace");
    // Mounts of the host still arrive here, ours do not arrive there.
    check(Sys.mount("", "/", "none", MS_SLAVE | MS_REC, ""), "keep our mounts from the host");
    List<IpAddress> servers =
        membership.join(
            "/proc/" + ProcessHandle.current().pid() + "/task/" + Sys.gettid() + "/ns/net");
    try {
      askNamesOf(servers);
      showOwnInterfaces();
      OptionalInt stopped = signals.pending();
      return stopped.isPresent() ? SIGNALLED + stopped.getAsInt() : start().waitFor();
    } finally {
      membership.leave();
    }
  }

  private Process start() {
    try {
      return signals.start(new ProcessBuilder(command).inheritIO());
    } catch (IOException e) {
      String name = command.get(0);
      boolean found = name.contains("/") ? Files.exists(Path.of(name)) : !isMissing(e);
      throw new NotStartedException(
          "cannot run "
              + MalformedValueException.quote(name)
              + ": "
              + (found ? "it is no program, or may not be executed" : "there is no such command"),
          found,
          e);
    }
  }

  /** The JDK tells the reason in words only: "error=2" until 21, "error: 2" since. */
  private static boolean isMissing(IOException e) {
    return String.valueOf(e.getMessage()).matches("(?s).*error[=:] ?2\\b.*");
  }

  /** A file on a file system that nobody but this mount namespace has, and that ends with it. */
  private static void askNamesOf(List<IpAddress> servers) {
    if (servers.isEmpty() || !Files.exists(RESOLV_CONF)) {
      return;
    }
    String what = "give the sandbox a " + RESOLV_CONF;
    // Any directory does that is there: the mount is undone before anybody looks.
    check(Sys.mount("sluice", SYS, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=755"), what);
    Path file = Path.of(SYS, "resolv.conf");
    try {
      Files.writeString(
          file,
          servers.stream()
              .limit(MAX_SERVERS)
              .map(server -> "nameserver " + server + "\n")
              .collect(Collectors.joining()));
      Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));
    } catch (IOException e) {
      throw new ProblemException(
          Problem.of(Problem.Kind.UNAVAILABLE, "cannot " + what + ": " + e.getMessage()));
    }
    check(Sys.mount(file.toString(), RESOLV_CONF.toString(), "none", MS_BIND, ""), what);
    check(Sys.umount2(SYS, MNT_DETACH), what);
  }

  /** The host's control groups stay where they are: programs read their limits there. */
  private static void showOwnInterfaces() {
    int groups = Sys.open(CGROUPS, LinuxNetlink.O_PATH | LinuxNetlink.O_CLOEXEC, 0);
    try {
      check(Sys.mount("sysfs", SYS, "sysfs", 0, ""), "mount the sandbox's own " + SYS);
      if (groups >= 0) {
        check(
            Sys.mount("/proc/self/fd/" + groups, CGROUPS, "none", MS_BIND | MS_REC, ""),
            "keep " + CGROUPS);
      }
    } finally {
      if (groups >= 0) {
        Sys.close(groups);
      }
    }
  }
}
