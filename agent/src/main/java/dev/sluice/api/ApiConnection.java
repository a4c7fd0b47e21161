package dev.sluice.api;

import dev.sluice.ffi.UnixSocket;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import org.apache.hc.core5.http.ConnectionClosedException;
import org.apache.hc.core5.http.HttpException;
import org.apache.hc.core5.http.config.Http1Config;
import org.apache.hc.core5.http.impl.io.DefaultBHttpServerConnection;
import org.apache.hc.core5.http.impl.io.DefaultHttpRequestParserFactory;
import org.apache.hc.core5.http.impl.io.HttpService;
import org.apache.hc.core5.http.message.BasicClassicHttpResponse;
import org.apache.hc.core5.http.protocol.HttpCoreContext;
import org.apache.hc.core5.util.Timeout;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One connection from its first request to its end, on one thread. */
final class ApiConnection {
  private static final Logger LOG = LoggerFactory.getLogger(ApiConnection.class);

  /** Under which a request's context holds the connection it came on. */
  static final String CONTEXT_KEY = "dev.sluice.api.connection";

  private static final Http1Config HTTP =
      Http1Config.custom()
          .setBufferSize(8 * 1024)
          .setMaxLineLength(8 * 1024)
          .setMaxHeaderCount(64)
          .setMaxEmptyLineCount(4)
          .build();

  private final UnixSocket socket;
  private final HttpService service;
  private final ApiOptions options;
  private final Function<Problem, BasicClassicHttpResponse> refusal;
  private final Runnable onLeavingLimits;
  private final AtomicBoolean inLimits = new AtomicBoolean(true);

  /**
   * @param refusal what to answer who may not ask
   * @param onLeavingLimits called once, when the connection ends or becomes an event stream
   */
  ApiConnection(
      UnixSocket socket,
      HttpService service,
      ApiOptions options,
      Function<Problem, BasicClassicHttpResponse> refusal,
      Runnable onLeavingLimits) {
    this.socket = socket;
    this.service = service;
    this.options = options;
    this.refusal = refusal;
    this.onLeavingLimits = onLeavingLimits;
  }

  UnixSocket socket() {
    return socket;
  }

  /** No longer counts among the connections; does nothing the second time. */
  void leaveLimits() {
    if (inLimits.compareAndSet(true, false)) {
      onLeavingLimits.run();
    }
  }

  /** Answers requests until the client leaves, is idle too long, or breaks the protocol. */
  void serve() {
    DefaultBHttpServerConnection http = newHttpConnection();
    try {
      http.bind(socket);
      socket.setWriteTimeout(options.requestTimeoutMillis());
      Timeout idle = Timeout.ofMilliseconds(options.requestTimeoutMillis());
      do {
        socket.clearReadDeadline();
        if (!http.isDataAvailable(idle)) {
          break;
        }
        http.setSocketTimeout(idle);
        socket.setReadDeadline(System.nanoTime() + options.requestTimeoutMillis() * 1_000_000L);
        HttpCoreContext context = HttpCoreContext.create();
        context.setAttribute(CONTEXT_KEY, this);
        service.handleRequest(http, context);
      } while (http.isOpen());
    } catch (ConnectionClosedException | SocketTimeoutException e) {
      LOG.debug("{}: {}", socket.peer(), e.getMessage());
    } catch (HttpException | IOException e) {
      LOG.debug("connection of {} broke off: {}", socket.peer(), e.getMessage());
    } catch (RuntimeException | Error e) {
      LOG.error("connection of {} failed", socket.peer(), e);
    } finally {
      leaveLimits();
      close();
    }
  }

  /** Waits for the first request, answers it with a problem whatever it is, and hangs up. */
  void refuse(Problem problem, int timeoutMillis) {
    DefaultBHttpServerConnection http = newHttpConnection();
    try {
      http.bind(socket);
      socket.setWriteTimeout(timeoutMillis);
      if (http.isDataAvailable(Timeout.ofMilliseconds(timeoutMillis))) {
        answerAndClose(http, problem);
      }
    } catch (IOException e) {
      LOG.debug("connection of {} broke off: {}", socket.peer(), e.getMessage());
    } finally {
      leaveLimits();
      close();
    }
  }

  private void answerAndClose(DefaultBHttpServerConnection http, Problem problem) {
    try (BasicClassicHttpResponse response = refusal.apply(problem)) {
      response.setHeader("Content-Length", response.getEntity().getContentLength());
      response.setHeader("Content-Type", response.getEntity().getContentType());
      response.setHeader("Connection", "close");
      http.sendResponseHeader(response);
      http.sendResponseEntity(response);
      http.flush();
    } catch (HttpException | IOException e) {
      LOG.debug("{} did not wait for its refusal: {}", socket.peer(), e.getMessage());
    }
  }

  private static DefaultBHttpServerConnection newHttpConnection() {
    // Its default parser takes the limits from elsewhere: hand it ours.
    return new DefaultBHttpServerConnection(
        "http", HTTP, null, null, null, null, new DefaultHttpRequestParserFactory(HTTP), null);
  }

  private void close() {
    try {
      socket.close();
    } catch (IOException e) {
      LOG.debug("closing the connection of {}: {}", socket.peer(), e.getMessage());
    }
  }
}
