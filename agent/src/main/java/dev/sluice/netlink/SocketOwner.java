package dev.sluice.netlink;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Finds the process behind a netlink port: /proc/net/netlink leads from the port to the socket's
 * inode, /proc/PID/fd from the inode to the process.
 *
 * @param pid the process
 * @param command its command line, arguments separated by spaces
 */
public record SocketOwner(long pid, String command) {
  private static final int LONGEST_COMMAND = 100;
  private static final long INIT = 1;

  // Columns of /proc/net/netlink: sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
  private static final int FAMILY_COLUMN = 1;
  private static final int PORT_COLUMN = 2;
  private static final int INODE_COLUMN = 9;

  /**
   * The process that holds the socket of {@code family} with this port; empty if it cannot be told.
   */
  public static Optional<SocketOwner> find(int family, int portId) {
    try {
      return inode(family, portId).flatMap(SocketOwner::ofInode);
    } catch (IOException e) {
      // Only a better error message depends on this.
      return Optional.empty();
    }
  }

  /** Another process that holds the socket behind {@code fd} too; empty if it cannot be told. */
  public static Optional<SocketOwner> besidesThisProcess(int fd) {
    String socket;
    try {
      socket = Files.readSymbolicLink(Path.of("/proc/self/fd/" + fd)).toString();
    } catch (IOException e) {
      return Optional.empty();
    }
    long self = ProcessHandle.current().pid();
    return holders(socket)
        .filter(process -> process.pid() != self)
        .findFirst()
        .map(SocketOwner::of);
  }

  private static Optional<String> inode(int family, int portId) throws IOException {
    List<String> lines = Files.readAllLines(Path.of("/proc/thread-self/net/netlink"));
    for (String line : lines.subList(1, lines.size())) {
      String[] columns = line.trim().split("\\s+", -1);
      if (columns.length > INODE_COLUMN
          && columns[FAMILY_COLUMN].equals(Integer.toString(family))
          && columns[PORT_COLUMN].equals(Integer.toUnsignedString(portId))) {
        return Optional.of(columns[INODE_COLUMN]);
      }
    }
    return Optional.empty();
  }

  /** The process that holds the socket with this inode; empty if it cannot be told. */
  public static Optional<SocketOwner> ofInode(String inode) {
    // A service manager that keeps a copy is nobody to be stopped: it comes last.
    return holders("socket:[" + inode + "]")
        .max(Comparator.comparing(process -> process.pid() != INIT))
        .map(SocketOwner::of);
  }

  private static SocketOwner of(ProcessHandle process) {
    return new SocketOwner(process.pid(), command(process.pid()));
  }

  private static Stream<ProcessHandle> holders(String socket) {
    return ProcessHandle.allProcesses().filter(process -> holds(process.pid(), socket));
  }

  private static boolean holds(long pid, String wanted) {
    try (DirectoryStream<Path> fds = Files.newDirectoryStream(Path.of("/proc/" + pid + "/fd"))) {
      for (Path fd : fds) {
        if (Files.readSymbolicLink(fd).toString().equals(wanted)) {
          return true;
        }
      }
    } catch (IOException | java.nio.file.DirectoryIteratorException e) {
      // The process, or one of its descriptors, is gone by now: then it is not the holder.
      return false;
    }
    return false;
  }

  private static String command(long pid) {
    try {
      byte[] raw = Files.readAllBytes(Path.of("/proc/" + pid + "/cmdline"));
      String text = new String(raw, StandardCharsets.UTF_8);
      return shortened(text.replaceAll("[\\p{Cntrl}\\s]+", " ").trim());
    } catch (IOException e) {
      return "?";
    }
  }

  /** A JVM's command line is pages of options; who it is stands at the end. */
  private static String shortened(String command) {
    if (command.length() <= LONGEST_COMMAND) {
      return command;
    }
    int space = command.indexOf(' ');
    String program = space < 0 ? "" : command.substring(0, Math.min(space, LONGEST_COMMAND / 2));
    int rest = LONGEST_COMMAND - program.length();
    return program + " … " + command.substring(command.length() - rest);
  }
}
