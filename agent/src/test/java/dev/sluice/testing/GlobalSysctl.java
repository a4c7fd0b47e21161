package dev.sluice.testing;

import dev.sluice.sysctl.Sysctl;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Parameters of the whole machine, borrowed by one test at a time, also among several runs: they
 * are put back when it is closed, or when the virtual machine ends.
 */
public final class GlobalSysctl implements AutoCloseable {
  private static final Path LOCK = Path.of("/run/lock/sluice-test-sysctl");

  private final Sysctl sysctl = new Sysctl();
  private final FileChannel file;
  private final FileLock lock;
  private final Map<String, String> before = new LinkedHashMap<>();
  private final Thread atExit = new Thread(this::restore, "restore parameters");

  private GlobalSysctl(List<String> names) {
    try {
      file = FileChannel.open(LOCK, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      lock = file.lock();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot lock " + LOCK, e);
    }
    names.forEach(name -> before.put(name, sysctl.get(name).orElseThrow()));
    Runtime.getRuntime().addShutdownHook(atExit);
  }

  /**
   * Waits until nobody else has them.
   *
   * @param names paths below /proc/sys; put back in this order
   */
  public static GlobalSysctl borrow(String... names) {
    return new GlobalSysctl(List.of(names));
  }

  /** The value when it was borrowed. */
  public long before(String name) {
    return Long.parseLong(String.valueOf(before.get(name)));
  }

  /** Puts them back now. */
  public synchronized void restore() {
    before.forEach(sysctl::set);
  }

  @Override
  public void close() {
    restore();
    Runtime.getRuntime().removeShutdownHook(atExit);
    try {
      lock.release();
      file.close();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot unlock " + LOCK, e);
    }
  }
}
