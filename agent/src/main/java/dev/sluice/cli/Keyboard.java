package dev.sluice.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;

/**
 * Keys as they are pressed, and the size of the terminal, by asking the terminal itself.
 *
 * <p>That keys come without Enter, and are not shown, is set by the script {@code sluice}, which
 * also gives the terminal back: Java cannot do it without a native library, and the command line
 * loads none. Without the script keys come with Enter, and the size is that of a VT100.
 */
final class Keyboard {
  /** Set by the script where it has seen to it that keys come as they are pressed. */
  static final String RAW_KEYS = "SLUICE_RAW_KEYS";

  // Save the cursor, go as far as possible, ask where that is (answer: ESC [ row ; column R), back.
  private static final String ASK_SIZE = "\0337\033[9999;9999H\033[6n\0338";
  private static final int ANSWER_MILLIS = 500;
  private static final int LOOK_MILLIS = 20;

  /** Of the terminal, in characters. */
  record Size(int rows, int columns) {}

  private final InputStream keys;
  private final PrintWriter terminal;
  private final boolean raw;
  private Size size = new Size(24, 80);
  private boolean quit;

  /** What came after an escape; empty outside of a sequence. */
  private final StringBuilder sequence = new StringBuilder();

  private boolean answered;

  Keyboard(InputStream keys, PrintWriter terminal, boolean raw) {
    this.keys = keys;
    this.terminal = terminal;
    this.raw = raw;
  }

  /** The size now, if the terminal says; else what it was. */
  Size size() throws IOException, InterruptedException {
    if (raw) {
      answered = false;
      terminal.print(ASK_SIZE);
      terminal.flush();
      long deadline = System.nanoTime() + ANSWER_MILLIS * 1_000_000L;
      while (read() && !answered && System.nanoTime() < deadline) {
        Thread.sleep(1);
      }
    }
    return size;
  }

  /** Waits for so long; true as soon as q is pressed, or was while nobody looked. */
  boolean isQuitWithin(long millis) throws IOException, InterruptedException {
    long deadline = System.nanoTime() + millis * 1_000_000;
    while (read() && !quit) {
      long left = (deadline - System.nanoTime()) / 1_000_000;
      if (left <= 0) {
        return false;
      }
      Thread.sleep(Math.min(left, LOOK_MILLIS));
    }
    return true;
  }

  /** Takes what is there; false once q was among it. */
  private boolean read() throws IOException {
    while (keys.available() > 0) {
      int key = keys.read();
      if (key == '\033') {
        sequence.setLength(0);
        sequence.append('\033');
      } else if (sequence.length() > 0) {
        continueSequence((char) key);
      } else if (key == 'q' || key == 'Q') {
        quit = true;
      }
    }
    return !quit;
  }

  private void continueSequence(char key) {
    sequence.append(key);
    boolean introducer = key == '[' && sequence.length() == 2;
    if (introducer || key == ';' || (key >= '0' && key <= '9')) {
      return;
    }
    String text = sequence.toString();
    sequence.setLength(0);
    if (text.matches("\033\\[[1-9]\\d{0,3};[1-9]\\d{0,3}R")) {
      int semicolon = text.indexOf(';');
      size =
          new Size(
              Integer.parseInt(text.substring(2, semicolon)),
              Integer.parseInt(text.substring(semicolon + 1, text.length() - 1)));
      answered = true;
    }
  }
}
