package dev.sluice.cli.demo;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.sluice.cli.demo.DemoNetwork.Machine;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * The web server in the container: {@code /} says hello, {@code /download} is a file that lasts
 * until it is told to hurry.
 */
final class WebServer implements AutoCloseable {
  static final int PORT = 80;
  static final int DOWNLOAD_BYTES = 40_000_000;

  private static final int BLOCK_BYTES = 8 * 1024;
  private static final long TICK_MILLIS = 20;

  /** Each tick sends this part of what remains, so that the end never comes by itself. */
  private static final int REMAINING_PER_TICK = 250;

  private final HttpServer server;
  private final ExecutorService threads;
  private final CountDownLatch hurry = new CountDownLatch(1);
  private final CompletableFuture<String> sentDigest = new CompletableFuture<>();

  private WebServer(HttpServer server, ExecutorService threads) {
    this.server = server;
    this.threads = threads;
  }

  /** Starts it; its sockets belong to the machine, its threads are ours. */
  static WebServer start(Machine on, String address) throws Exception {
    HttpServer server =
        on.namespace().call(() -> HttpServer.create(new InetSocketAddress(address, PORT), 256));
    ExecutorService threads =
        Executors.newCachedThreadPool(
            task -> {
              Thread thread = new Thread(task, "web");
              thread.setDaemon(true);
              return thread;
            });
    WebServer web = new WebServer(server, threads);
    server.setExecutor(threads);
    server.createContext("/", web::hello);
    server.createContext("/download", web::download);
    server.start();
    return web;
  }

  /** Lets the download go as fast as it can. */
  void hurry() {
    hurry.countDown();
  }

  /** SHA-256 of what was sent as download, once it has been. */
  CompletableFuture<String> sentDigest() {
    return sentDigest;
  }

  private void hello(HttpExchange exchange) throws IOException {
    byte[] text =
        ("hello from the container; you came from "
                + exchange.getRemoteAddress().getAddress().getHostAddress()
                + "\n")
            .getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(200, text.length);
    try (OutputStream body = exchange.getResponseBody()) {
      body.write(text);
    }
  }

  private void download(HttpExchange exchange) throws IOException {
    exchange.sendResponseHeaders(200, DOWNLOAD_BYTES);
    MessageDigest digest = Digests.sha256();
    Random content = new Random();
    byte[] block = new byte[BLOCK_BYTES];
    int remaining = DOWNLOAD_BYTES;
    try (OutputStream body = exchange.getResponseBody()) {
      while (remaining > 0) {
        boolean hurrying = hurry.await(TICK_MILLIS, TimeUnit.MILLISECONDS);
        int now = hurrying ? remaining : Math.max(1, remaining / REMAINING_PER_TICK);
        remaining -= now;
        while (now > 0) {
          int length = Math.min(now, block.length);
          content.nextBytes(block);
          digest.update(block, 0, length);
          body.write(block, 0, length);
          now -= length;
        }
        body.flush();
      }
      sentDigest.complete(HexFormat.of().formatHex(digest.digest()));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      sentDigest.completeExceptionally(e);
    } catch (IOException e) {
      sentDigest.completeExceptionally(e);
      throw e;
    }
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
  }

  @Override
  public String toString() {
    return "web server";
  }
}
