package dev.sluice.bench;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;

/** What was opened one after the other, and is closed together. */
public final class Closings implements AutoCloseable {
  /** How something is closed. */
  public interface Closing {
    void close() throws IOException;
  }

  private final Deque<Closing> closings = new ArrayDeque<>();

  /** Adds something, which is closed before all that was added earlier. */
  public void push(Closing closing) {
    closings.push(closing);
  }

  /** Closes everything, the last first, whatever fails to; does nothing the second time. */
  @Override
  public void close() throws IOException {
    IOException failure = null;
    while (!closings.isEmpty()) {
      try {
        closings.pop().close();
      } catch (IOException e) {
        if (failure == null) {
          failure = e;
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }
}
