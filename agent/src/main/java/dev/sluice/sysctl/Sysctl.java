package dev.sluice.sysctl;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Reads and sets kernel parameters, and remembers what it changed. Parameters of the network stack
 * belong to the network namespace of the process. Thread-safe.
 */
public final class Sysctl {
  /**
   * A parameter that was set to another value than it had.
   *
   * @param name as sysctl(8) writes it, with slashes for dots where an interface is part of it
   * @param before the value found first
   * @param now the value set last
   */
  public record Changed(String name, String before, String now) {
    @Override
    public String toString() {
      return name + ": " + before + " → " + now;
    }
  }

  /** A list of every second port is 192 KiB. */
  private static final int LONGEST_VALUE_BYTES = 256 << 10;

  private static final int USUAL_VALUE_BYTES = 4 << 10;

  private final Path root;
  private final Map<String, Changed> changes = new LinkedHashMap<>();

  /** Works on /proc/sys. */
  public Sysctl() {
    this(Path.of("/proc/sys"));
  }

  /** Works on another directory, for tests. */
  public Sysctl(Path root) {
    this.root = root;
  }

  /** The value without its newline; empty if this kernel has no such parameter. */
  public Optional<String> get(String name) {
    try {
      String value = read(name, USUAL_VALUE_BYTES);
      return Optional.of(
          (value.length() < USUAL_VALUE_BYTES ? value : read(name, LONGEST_VALUE_BYTES)).trim());
    } catch (NoSuchFileException e) {
      return Optional.empty();
    } catch (IOException e) {
      throw new UncheckedIOException(
          "cannot read the kernel parameter " + name + ": " + reason(e), e);
    }
  }

  /** Whether this process may set it; what is global is read-only in other network namespaces. */
  public boolean isWritable(String name) {
    return Files.isWritable(root.resolve(name));
  }

  /**
   * In one read: the kernel gives a value only to a read from its beginning, and Files.readString
   * begins with a read of one byte.
   */
  private String read(String name, int mostBytes) throws IOException {
    try (InputStream in = Files.newInputStream(root.resolve(name))) {
      byte[] value = new byte[mostBytes];
      return new String(value, 0, Math.max(0, in.read(value)), StandardCharsets.US_ASCII);
    }
  }

  /**
   * Makes sure that the parameter has this value.
   *
   * @param name path below /proc/sys, {@code net/ipv4/ip_forward}
   * @return whether it had another one
   * @throws UncheckedIOException if it does not exist or may not be written; the message is a
   *     sentence
   */
  public synchronized boolean set(String name, String value) {
    String before =
        get(name)
            .orElseThrow(
                () ->
                    new UncheckedIOException(
                        "this kernel has no parameter " + name,
                        new NoSuchFileException(root.resolve(name).toString())));
    if (before.equals(value)) {
      return false;
    }
    try {
      Files.writeString(root.resolve(name), value + "\n", StandardCharsets.US_ASCII);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "cannot set the kernel parameter " + name + " to " + value + ": " + reason(e), e);
    }
    Changed earlier = changes.remove(name);
    String first = earlier == null ? before : earlier.before();
    if (!first.equals(value)) {
      changes.put(name, new Changed(name, first, value));
    }
    return true;
  }

  /**
   * Adds to a parameter that is a list: what is written behind its beginning is united with what it
   * has (proc_do_large_bitmap in kernel/sysctl.c). Not noted among the {@link #changes}.
   */
  public void append(String name, String list) {
    try (FileChannel file = FileChannel.open(root.resolve(name), StandardOpenOption.WRITE)) {
      write(file, 1, list);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "cannot add " + list + " to the kernel parameter " + name + ": " + reason(e), e);
    }
  }

  /** Sets a parameter that is a list of ours and others, not noted among the {@link #changes}. */
  public void replace(String name, String list) {
    try (FileChannel file = FileChannel.open(root.resolve(name), StandardOpenOption.WRITE)) {
      write(file, 0, list);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "cannot set the kernel parameter " + name + ": " + reason(e), e);
    }
  }

  /**
   * The kernel takes a page of a list at a time, up to the last number that is whole; what follows
   * is united with that, since it is written behind the beginning.
   */
  private static void write(FileChannel file, long from, String list) throws IOException {
    ByteBuffer text = StandardCharsets.US_ASCII.encode(list + "\n");
    for (long at = from; text.hasRemaining(); ) {
      int written = file.write(text, at);
      if (written == 0) {
        throw new IOException("the kernel takes no more of it");
      }
      at += written;
    }
  }

  /** What was changed since this object was made, in the order of the changes. */
  public synchronized List<Changed> changes() {
    return new ArrayList<>(changes.values());
  }

  private static String reason(IOException e) {
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }
}
