package dev.sluice.cli;

import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.ZoneId;

/**
 * Where a command writes.
 *
 * @param out the result
 * @param err everything else
 * @param colours whether a person looks at {@code out} and wants colours
 * @param clock what time it is, and in which zone to say so
 */
public record Terminal(PrintWriter out, PrintWriter err, boolean colours, Clock clock) {
  private static final int BUFFER_BYTES = 64 * 1024;

  /** A colour of ANSI terminals. */
  enum Colour {
    RED(31),
    GREEN(32),
    YELLOW(33),
    CYAN(36);

    private final int code;

    Colour(int code) {
      this.code = code;
    }
  }

  /** That of this process. */
  static Terminal ofProcess() {
    return new Terminal(
        writer(FileDescriptor.out),
        writer(FileDescriptor.err),
        isTerminal() && System.getenv("NO_COLOR") == null,
        Clock.system(ZoneId.systemDefault()));
  }

  /** The text in a colour, if colours are wanted. */
  String in(Colour colour, String text) {
    return colours ? "\033[" + colour.code + "m" + text + "\033[0m" : text;
  }

  private static PrintWriter writer(FileDescriptor descriptor) {
    return new PrintWriter(
        new OutputStreamWriter(
            new BufferedOutputStream(new FileOutputStream(descriptor), BUFFER_BYTES),
            StandardCharsets.UTF_8));
  }

  /** Whether standard output is a terminal; System.console() asks for standard input as well. */
  private static boolean isTerminal() {
    try {
      String target = Files.readSymbolicLink(Path.of("/proc/self/fd/1")).toString();
      return target.startsWith("/dev/pts/") || target.startsWith("/dev/tty");
    } catch (IOException e) {
      return false;
    }
  }
}
