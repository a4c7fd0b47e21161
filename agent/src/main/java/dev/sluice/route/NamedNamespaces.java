package dev.sluice.route;

import static dev.sluice.ffi.SystemCallException.check;
import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.ffi.Errno;
import dev.sluice.ffi.Sys;
import dev.sluice.ffi.SystemCallException;
import dev.sluice.net.MalformedValueException;
import dev.sluice.netlink.LinuxNetlink;
import dev.sluice.netlink.NetworkNamespace;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.stream.Stream;

/**
 * Network namespaces that have a name and outlive the process that made them: each is mounted on a
 * file of its name in {@code /run/netns}, as {@code ip netns} does (ip-netns(8)), so both see each
 * other's.
 */
public final class NamedNamespaces {
  // sys/mount.h
  private static final long MS_BIND = 0x1000;
  private static final long MS_REC = 0x4000;
  private static final long MS_SHARED = 0x100000;
  private static final int MNT_DETACH = 2;
  private static final int UMOUNT_NOFOLLOW = 8;

  // asm-generic/fcntl.h, sys/file.h
  private static final int O_CREAT = 0x40;
  private static final int O_EXCL = 0x80;
  private static final int LOCK_EX = 2;

  /** The longest name in bytes (NAME_MAX, linux/limits.h). */
  private static final int MAX_NAME_BYTES = 255;

  private final Path directory;

  NamedNamespaces(Path directory) {
    this.directory = directory;
  }

  /** Those of {@code ip netns}. */
  public static NamedNamespaces system() {
    return new NamedNamespaces(Path.of("/run/netns"));
  }

  /**
   * Makes a namespace, in which there is nothing but a loopback link that is down.
   *
   * @param name 1 to 255 bytes, without {@code /}, neither {@code .} nor {@code ..}
   * @throws MalformedValueException if the name is anything else
   * @throws SystemCallException EEXIST if the name is taken, EPERM without CAP_SYS_ADMIN
   */
  public NetworkNamespace create(String name) {
    Path file = file(name);
    String what = "create the network namespace " + quote(name);
    share();
    int fd =
        Sys.open(
            file.toString(), LinuxNetlink.O_RDONLY | LinuxNetlink.O_CLOEXEC | O_CREAT | O_EXCL, 0);
    if (fd == -Errno.EEXIST && !NetworkNamespace.isNetworkNamespace(file)) {
      throw new SystemCallException(
          what + ", " + file + " is in the way and holds no namespace, delete it", Errno.EEXIST);
    }
    check(fd, what);
    Sys.close(fd);
    try {
      return onThreadOfItsOwn(
          () -> {
            check(Sys.unshare(LinuxNetlink.CLONE_NEWNET), what);
            check(
                Sys.mount("/proc/thread-self/ns/net", file.toString(), "none", MS_BIND, ""), what);
            return NetworkNamespace.open(file);
          });
    } catch (RuntimeException e) {
      try {
        delete(name);
      } catch (RuntimeException alsoFailed) {
        e.addSuppressed(alsoFailed);
      }
      throw e;
    }
  }

  /**
   * Opens a namespace.
   *
   * @throws MalformedValueException if the name cannot be one
   * @throws SystemCallException ENOENT if there is none of this name
   */
  public NetworkNamespace open(String name) {
    Path file = file(name);
    if (Files.exists(file) && !NetworkNamespace.isNetworkNamespace(file)) {
      throw new SystemCallException(
          "open the network namespace " + quote(name) + ", " + file + " holds none", Errno.ENOENT);
    }
    return NetworkNamespace.open(file);
  }

  /**
   * Takes a namespace its name, or removes a file that holds none. The namespace itself goes when
   * the last process, descriptor or device of another namespace that needs it has gone.
   *
   * @return false if there was no such name
   * @throws MalformedValueException if the name cannot be one
   */
  public boolean delete(String name) {
    Path file = file(name);
    int result;
    do {
      // More than once if several were mounted on one another. A link in /run/netns is removed,
      // what it points to is left alone.
      result = Sys.umount2(file.toString(), MNT_DETACH | UMOUNT_NOFOLLOW);
    } while (result == 0);
    if (result == -Errno.ENOENT) {
      return false;
    }
    if (result != -Errno.EINVAL) { // EINVAL: nothing is mounted there
      throw new SystemCallException("delete the network namespace " + quote(name), -result);
    }
    try {
      return Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot delete " + file + ": " + e.getMessage(), e);
    }
  }

  /** The names of all namespaces, sorted; files that hold none are left out. */
  public List<String> list() {
    try (Stream<Path> files = Files.list(directory)) {
      return files
          .filter(NetworkNamespace::isNetworkNamespace)
          .map(file -> String.valueOf(file.getFileName()))
          .sorted()
          .toList();
    } catch (NoSuchFileException e) {
      return List.of();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot list " + directory + ": " + e.getMessage(), e);
    }
  }

  /**
   * Makes the directory a mount point of its own that other mount namespaces share: a namespace
   * that is deleted in one of them would otherwise stay mounted, and alive, in the others.
   */
  private void share() {
    try {
      Files.createDirectory(
          directory,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwxr-xr-x")));
    } catch (FileAlreadyExistsException e) {
      // Made by us or by ip(8) before.
    } catch (IOException e) {
      throw new UncheckedIOException("cannot create " + directory + ": " + e.getMessage(), e);
    }
    String path = directory.toString();
    String what = "share the mount point " + path;
    int lock = check(Sys.open(path, LinuxNetlink.O_RDONLY | LinuxNetlink.O_CLOEXEC, 0), what);
    try {
      // ip(8) takes the same lock: two at once would mount the directory on itself twice.
      check(Sys.flock(lock, LOCK_EX), what);
      int result = Sys.mount("", path, "none", MS_SHARED | MS_REC, "");
      if (result == -Errno.EINVAL) { // not a mount point yet
        check(Sys.mount(path, path, "none", MS_BIND | MS_REC, ""), what);
        result = Sys.mount("", path, "none", MS_SHARED | MS_REC, "");
      }
      check(result, what);
    } finally {
      Sys.close(lock);
    }
  }

  private Path file(String name) {
    if (name.isEmpty() || name.equals(".") || name.equals("..")) {
      throw new MalformedValueException(
          name, 0, quote(name) + " cannot be the name of a network namespace");
    }
    for (int i = 0; i < name.length(); i++) {
      if (name.charAt(i) == '/' || name.charAt(i) == '\0') {
        throw new MalformedValueException(
            name, i, "network namespace name " + quote(name) + " may not hold \"/\" or NUL");
      }
    }
    if (name.getBytes(StandardCharsets.UTF_8).length > MAX_NAME_BYTES) {
      throw new MalformedValueException(
          name,
          Math.min(name.length(), MAX_NAME_BYTES),
          "network namespace name " + quote(name) + " is longer than " + MAX_NAME_BYTES + " bytes");
    }
    return directory.resolve(name);
  }

  /** A thread that has changed its namespace must not be used for anything else. */
  private static <T> T onThreadOfItsOwn(Callable<T> action) {
    FutureTask<T> task = new FutureTask<>(action);
    Thread thread = new Thread(task, "netns-create");
    thread.setDaemon(true);
    thread.start();
    try {
      return task.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw new IllegalStateException(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while creating a network namespace", e);
    }
  }
}
