package dev.sluice.cli.demo;

import dev.sluice.cli.demo.DemoNetwork.Machine;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Locale;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;

/** A download that runs beside the story. */
final class Download implements AutoCloseable {
  private final Socket socket;
  private final FutureTask<String> digest;
  private final AtomicLong receivedBytes = new AtomicLong();

  private Download(Socket socket, String path) {
    this.socket = socket;
    this.digest = new FutureTask<>(() -> receive(path));
  }

  /** Starts it from a machine. */
  static Download start(Machine from, String address, int port, String path) throws Exception {
    Download download =
        new Download(from.namespace().call(() -> Http.connect(address, port)), path);
    Thread thread = new Thread(download.digest, "download");
    thread.setDaemon(true);
    thread.start();
    return download;
  }

  /** Its progress, as {@code 12.3 of 40 MB}. */
  String progress() {
    return String.format(
        Locale.ROOT,
        "%.1f of %d MB",
        receivedBytes.get() / 1e6,
        WebServer.DOWNLOAD_BYTES / 1_000_000);
  }

  /**
   * Waits until more has come than had up to now.
   *
   * @throws DemoFailure if nothing comes, or the download has ended
   */
  void awaitProgress() throws InterruptedException {
    long before = receivedBytes.get();
    long deadlineNanos = System.nanoTime() + TimeUnit.SECONDS.toNanos(3);
    while (receivedBytes.get() == before) {
      if (digest.isDone() || System.nanoTime() > deadlineNanos) {
        throw new DemoFailure("the download stands still at " + progress());
      }
      Thread.sleep(10);
    }
  }

  /** Waits for the end: SHA-256 of what was received. */
  String awaitDigest(int seconds) throws InterruptedException {
    try {
      return digest.get(seconds, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw new DemoFailure(
          "the download broke off at " + progress() + ": " + e.getCause(), e.getCause());
    } catch (TimeoutException e) {
      throw new DemoFailure("the download did not finish; it is at " + progress(), e);
    }
  }

  private String receive(String path) throws Exception {
    MessageDigest sum = Digests.sha256();
    byte[] block = new byte[64 * 1024];
    InputStream body = Http.ask(socket, path);
    for (int length = body.read(block); length >= 0; length = body.read(block)) {
      sum.update(block, 0, length);
      receivedBytes.addAndGet(length);
    }
    return HexFormat.of().formatHex(sum.digest());
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }

  @Override
  public String toString() {
    return "download";
  }
}
