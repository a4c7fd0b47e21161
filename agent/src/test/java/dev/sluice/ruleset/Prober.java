package dev.sluice.ruleset;

import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.testing.Netns;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * Connects from a namespace again and again, one connection after the other, until it is closed.
 */
final class Prober implements AutoCloseable {
  private static final int TIMEOUT_MILLIS = 5_000;

  private final InetSocketAddress address;
  private final List<String> failures = new ArrayList<>();
  private final CompletableFuture<Void> end = new CompletableFuture<>();
  private int answered;
  private boolean stopped;

  private Prober(InetSocketAddress address) {
    this.address = address;
  }

  static Prober start(Netns from, String address, int port) {
    Prober prober = new Prober(new InetSocketAddress(address, port));
    Thread thread = new Thread(() -> prober.run(from), "prober");
    thread.setDaemon(true);
    thread.start();
    return prober;
  }

  private void run(Netns from) {
    try (NetworkNamespace namespace = NetworkNamespace.open(from.path())) {
      namespace.call(
          () -> {
            while (!isStopped()) {
              connect();
            }
            return null;
          });
      end.complete(null);
    } catch (Exception e) {
      end.completeExceptionally(e);
    }
  }

  private void connect() {
    try (Socket socket = new Socket()) {
      socket.connect(address, TIMEOUT_MILLIS);
      socket.setSoTimeout(TIMEOUT_MILLIS);
      if (socket.getInputStream().read() < 0) {
        throw new IOException("closed without an answer");
      }
      count();
    } catch (IOException e) {
      fail(e);
    }
  }

  private synchronized boolean isStopped() {
    return stopped;
  }

  private synchronized void count() {
    answered++;
    notifyAll();
  }

  private synchronized void fail(IOException e) {
    failures.add(e.toString());
    notifyAll();
  }

  /** Waits until {@code count} more attempts were made. */
  synchronized void awaitMore(int count) {
    int wanted = answered + failures.size() + count;
    while (answered + failures.size() < wanted) {
      try {
        wait(TIMEOUT_MILLIS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new UncheckedIOException(new IOException(e));
      }
    }
  }

  synchronized int answered() {
    return answered;
  }

  /** What went wrong, an exception's text each. */
  synchronized List<String> failures() {
    return List.copyOf(failures);
  }

  @Override
  public void close() {
    synchronized (this) {
      stopped = true;
    }
    end.join();
  }
}
