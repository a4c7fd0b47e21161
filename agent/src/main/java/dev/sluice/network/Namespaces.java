package dev.sluice.network;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.ffi.Errno;
import dev.sluice.ffi.SystemCallException;
import dev.sluice.model.NamespacePath;
import dev.sluice.model.Sandbox;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.netlink.NotANetworkNamespaceException;
import dev.sluice.network.NetworkException.Kind;
import java.nio.file.Path;
import java.util.Optional;

/** The network namespaces that sandboxes are in. None is held beyond a request. Thread-safe. */
final class Namespaces {
  private final Topology topology;
  private final long ownCookie;

  /** The host's own is that of the calling thread. */
  Namespaces(Topology topology) {
    this.topology = topology;
    try (NetworkNamespace own = NetworkNamespace.current()) {
      ownCookie = own.cookie();
    }
  }

  /**
   * Opens one.
   *
   * @throws NetworkException if the file is not there, or stands for something else
   */
  static NetworkNamespace open(String path) {
    try {
      return NetworkNamespace.open(Path.of(path));
    } catch (NotANetworkNamespaceException e) {
      throw new NetworkException(Kind.INVALID, String.valueOf(e.getMessage()), e);
    } catch (SystemCallException e) {
      if (e.errno() == Errno.ENOENT || e.errno() == Errno.ENOTDIR) {
        throw new NetworkException(
            Kind.NOT_FOUND, "there is no network namespace at " + quote(path), e);
      }
      throw e;
    }
  }

  /**
   * Its number.
   *
   * @throws NetworkException if it is the host's own, or a sandbox already
   */
  long cookieOf(NetworkNamespace namespace) {
    long cookie = namespace.cookie();
    Optional<Sandbox> other = sandboxAt(namespace, cookie);
    if (other.isPresent()) {
      throw new NetworkException(
          Kind.CONFLICT,
          "the network namespace "
              + quote(namespace.toString())
              + " is the sandbox "
              + other.get().name()
              + " already: connect that to more networks instead");
    }
    return cookie;
  }

  /** The sandbox it is, if it is one. */
  Optional<Sandbox> sandboxAt(NetworkNamespace namespace, long cookie) {
    if (cookie == ownCookie) {
      throw new NetworkException(
          Kind.INVALID,
          quote(namespace.toString())
              + " is the host's own network namespace, which cannot be a sandbox");
    }
    return topology.sandboxes().stream()
        .filter(one -> one.namespace().filter(at -> at.cookie() == cookie).isPresent())
        .findFirst();
  }

  /** The namespace, if it is still there and the same. */
  static Optional<NetworkNamespace> reopen(NamespacePath place) {
    NetworkNamespace namespace;
    try {
      namespace = NetworkNamespace.open(Path.of(place.path()));
    } catch (NotANetworkNamespaceException e) {
      return Optional.empty();
    } catch (SystemCallException e) {
      if (e.errno() == Errno.ENOENT || e.errno() == Errno.ENOTDIR) {
        return Optional.empty();
      }
      throw e; // which does not say that it is gone
    }
    if (namespace.cookie() == place.cookie()) {
      return Optional.of(namespace);
    }
    namespace.close();
    return Optional.empty();
  }

  /** Whether it is still there and the same. */
  static boolean isThere(NamespacePath place) {
    Optional<NetworkNamespace> namespace = reopen(place);
    namespace.ifPresent(NetworkNamespace::close);
    return namespace.isPresent();
  }
}
