package dev.sluice.daemon;

import dev.sluice.ffi.Errno;
import dev.sluice.ffi.NativeBuffer;
import dev.sluice.ffi.Sys;
import dev.sluice.ffi.SystemCallException;
import dev.sluice.netlink.SocketOwner;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * At most one agent per network namespace. The lock is a unix socket bound to an abstract name:
 * such names belong to the network namespace, as the firewall table does, and vanish with the
 * process however it ends. See unix(7).
 */
final class NamespaceLock implements AutoCloseable {
  private static final String NAME = "sluice-agent";

  // bits/socket.h
  private static final int AF_UNIX = 1;
  private static final int SOCK_DGRAM = 2;
  private static final int SOCK_CLOEXEC = 0x80000;

  private final int fd;

  private NamespaceLock(int fd) {
    this.fd = fd;
  }

  /**
   * Takes the lock.
   *
   * @return empty if another agent has it
   */
  static Optional<NamespaceLock> tryAcquire() {
    int fd =
        SystemCallException.check(
            Sys.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "open a unix socket");
    // struct sockaddr_un: family, then the path; one that starts with NUL is abstract.
    byte[] name = NAME.getBytes(StandardCharsets.US_ASCII);
    int length = Short.BYTES + 1 + name.length;
    NativeBuffer address = NativeBuffer.allocate(length);
    address.bytes().putShort(0, (short) AF_UNIX).put(Short.BYTES, (byte) 0);
    address.bytes().put(Short.BYTES + 1, name);
    int result = Sys.bind(fd, address, length);
    if (result == -Errno.EADDRINUSE) {
      Sys.close(fd);
      return Optional.empty();
    }
    SystemCallException.check(result, "take the agent's lock of this network namespace");
    return Optional.of(new NamespaceLock(fd));
  }

  /** The process that has the lock, as far as it can be told. */
  static Optional<SocketOwner> holder() {
    try {
      // Num RefCount Protocol Flags Type St Inode Path
      for (String line : Files.readAllLines(Path.of("/proc/self/net/unix"))) {
        if (line.endsWith(" @" + NAME)) {
          String[] columns = line.trim().split("\\s+", -1);
          return SocketOwner.ofInode(columns[columns.length - 2]);
        }
      }
    } catch (IOException e) {
      // Only a better error message depends on this.
      return Optional.empty();
    }
    return Optional.empty();
  }

  @Override
  public void close() {
    Sys.close(fd);
  }
}
