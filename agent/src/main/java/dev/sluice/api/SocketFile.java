package dev.sluice.api;

import dev.sluice.ffi.UnixSocketServer;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.GroupPrincipal;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipalNotFoundException;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The file of a server's socket: in nobody else's way, in a directory that only root and the group
 * may enter, and gone when the agent is.
 *
 * <p>A lock on {@code <socket>.lock} makes two agents that start at the same moment agree on one of
 * them; the kernel drops it when the agent dies, however that happens.
 */
final class SocketFile implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(SocketFile.class);
  private static final int BACKLOG = 128;
  private static final Path SELF = Path.of("/proc/self/.");
  private static final Set<PosixFilePermission> DIRECTORY_PERMISSIONS =
      PosixFilePermissions.fromString("rwxr-x---");
  private static final LinkOption NO_LINKS = LinkOption.NOFOLLOW_LINKS;

  private final Path path;
  private final FileChannel lock;
  private final UnixSocketServer server;
  private final boolean forRoot;
  private final OptionalInt groupId;
  private final Object inode;

  private SocketFile(
      Path path,
      FileChannel lock,
      UnixSocketServer server,
      boolean forRoot,
      OptionalInt groupId,
      Object inode) {
    this.path = path;
    this.lock = lock;
    this.server = server;
    this.forRoot = forRoot;
    this.groupId = groupId;
    this.inode = inode;
  }

  /**
   * Listens at {@code path}, replacing the socket of an agent that is no more.
   *
   * @param group who may use it beside root, if there is such a group
   * @throws ApiServerException if something else is there, or somebody else listens
   */
  static SocketFile claim(Path path, String group) {
    return claim(path, group, "--socket");
  }

  /**
   * The same, but nobody beside root may use it.
   *
   * @param option of the command line that chooses the path
   */
  static SocketFile claimForRoot(Path path, String option) {
    return claim(path, null, option);
  }

  private static SocketFile claim(Path path, @Nullable String group, String option) {
    Path file = path.toAbsolutePath().normalize();
    int length = file.toString().getBytes(StandardCharsets.UTF_8).length;
    if (length > UnixSocketServer.MAX_PATH_BYTES) {
      throw new ApiServerException(
          "the path of the socket has "
              + length
              + " bytes and unix sockets allow "
              + UnixSocketServer.MAX_PATH_BYTES
              + ": "
              + file
              + "; choose a shorter one with "
              + option);
    }
    Path directory = file.getParent();
    if (directory == null) {
      throw new ApiServerException(file + " is not a file; choose one with " + option);
    }
    FileChannel lock = null;
    UnixSocketServer server = null;
    try {
      GroupPrincipal principal = group == null ? null : group(file, group);
      createDirectory(directory, principal);
      lock = lock(file, option);
      removeStale(file, option);
      server = UnixSocketServer.bind(file, BACKLOG);
      OptionalInt groupId = OptionalInt.empty();
      if (principal != null) {
        view(file).setGroup(principal);
        groupId = OptionalInt.of((Integer) Files.getAttribute(file, "unix:gid", NO_LINKS));
      }
      Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-rw----"));
      return new SocketFile(file, lock, server, group == null, groupId, inode(file));
    } catch (IOException e) {
      closeQuietly(server, e);
      closeQuietly(lock, e);
      throw new ApiServerException("cannot listen on " + file + ": " + reason(e), e);
    } catch (ApiServerException e) {
      closeQuietly(lock, e);
      throw e;
    }
  }

  Path path() {
    return path;
  }

  UnixSocketServer server() {
    return server;
  }

  /** Whether nobody but root may connect. */
  boolean isForRoot() {
    return forRoot;
  }

  /** The group whose members may connect, empty if it does not exist. */
  OptionalInt groupId() {
    return groupId;
  }

  /** Closes the socket and removes its file, unless somebody has put another in its place. */
  @Override
  public void close() {
    try (lock;
        server) {
      if (Files.exists(path, NO_LINKS) && inode(path).equals(inode)) {
        Files.delete(path);
      }
    } catch (IOException e) {
      LOG.warn("cannot remove {}: {}", path, reason(e));
    }
  }

  /** Whether the host has a group of that name. */
  static boolean isGroup(String name) {
    try {
      FileSystems.getDefault().getUserPrincipalLookupService().lookupPrincipalByGroupName(name);
      return true;
    } catch (IOException e) {
      LOG.debug("looking for group {}", name, e);
      return false;
    }
  }

  private static @Nullable GroupPrincipal group(Path file, String group) throws IOException {
    try {
      return file.getFileSystem().getUserPrincipalLookupService().lookupPrincipalByGroupName(group);
    } catch (UserPrincipalNotFoundException e) {
      LOG.info("there is no group {}: only root may use {}", group, file);
      return null;
    }
  }

  private static void createDirectory(Path directory, @Nullable GroupPrincipal group)
      throws IOException {
    if (Files.isDirectory(directory)) {
      adopt(directory, group);
      return;
    }
    Path parent = directory.getParent();
    if (parent != null) {
      Files.createDirectories(parent);
    }
    Files.createDirectory(directory, PosixFilePermissions.asFileAttribute(DIRECTORY_PERMISSIONS));
    if (group != null) {
      view(directory).setGroup(group);
    }
  }

  /** A CNI client may have come first, who makes it as we would but knows of no group. */
  private static void adopt(Path directory, @Nullable GroupPrincipal group) throws IOException {
    boolean madeByClient =
        Files.getAttribute(directory, "unix:gid").equals(Files.getAttribute(SELF, "unix:gid"))
            && Files.getPosixFilePermissions(directory).equals(DIRECTORY_PERMISSIONS);
    if (group != null && madeByClient) {
      view(directory).setGroup(group);
    }
  }

  private static FileChannel lock(Path file, String option) throws IOException {
    FileChannel channel =
        FileChannel.open(
            file.resolveSibling(file.getFileName() + ".lock"),
            Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE, NO_LINKS),
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    FileLock held;
    try {
      held = channel.tryLock();
    } catch (OverlappingFileLockException e) {
      held = null;
    } catch (IOException e) {
      closeQuietly(channel, e);
      throw e;
    }
    if (held == null) {
      channel.close();
      throw somebodyElse(file, option);
    }
    return channel;
  }

  private static void removeStale(Path file, String option) throws IOException {
    if (!Files.exists(file, NO_LINKS)) {
      return;
    }
    if (Files.isSymbolicLink(file)) {
      throw new ApiServerException(
          file
              + " is a symbolic link, which the agent does not follow; remove it or choose"
              + " another path with "
              + option);
    }
    // S_IFMT and S_IFSOCK of inode(7).
    int mode = (Integer) Files.getAttribute(file, "unix:mode", NO_LINKS);
    if ((mode & 0170000) != 0140000) {
      throw new ApiServerException(
          file + " exists and is not a socket; remove it or choose another path with " + option);
    }
    if (somebodyListens(file)) {
      throw somebodyElse(file, option);
    }
    LOG.info("replacing {}, which an agent that ended left behind", file);
    Files.delete(file);
  }

  private static boolean somebodyListens(Path file) {
    try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      // A full backlog must not hold us up: it is somebody who listens, too.
      probe.configureBlocking(false);
      probe.connect(UnixDomainSocketAddress.of(file));
      return true;
    } catch (java.net.ConnectException e) {
      return false;
    } catch (IOException e) {
      LOG.debug("probing {}", file, e);
      return true;
    }
  }

  private static ApiServerException somebodyElse(Path file, String option) {
    return new ApiServerException(
        "another agent is listening on "
            + file
            + "; stop it first, or choose another path with "
            + option);
  }

  private static PosixFileAttributeView view(Path file) {
    return Files.getFileAttributeView(file, PosixFileAttributeView.class, NO_LINKS);
  }

  private static Object inode(Path file) throws IOException {
    return Files.getAttribute(file, "unix:ino", NO_LINKS);
  }

  private static String reason(IOException e) {
    if (e instanceof java.nio.file.AccessDeniedException) {
      return "permission denied on " + e.getMessage();
    }
    return e instanceof java.nio.file.FileSystemException
        ? e.getClass().getSimpleName().replace("Exception", "") + ": " + e.getMessage()
        : String.valueOf(e.getMessage());
  }

  private static void closeQuietly(@Nullable AutoCloseable resource, Exception during) {
    if (resource == null) {
      return;
    }
    try {
      resource.close();
    } catch (Exception e) {
      during.addSuppressed(e);
    }
  }
}
