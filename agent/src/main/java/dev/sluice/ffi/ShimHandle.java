package dev.sluice.ffi;

import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.LongConsumer;
import java.util.function.LongFunction;
import java.util.function.LongToIntFunction;

/**
 * A handle of the library that any number of threads use, and that is freed when none does any
 * more; its last counters are kept.
 *
 * @param <S> the counters
 */
public final class ShimHandle<S> implements AutoCloseable {
  /** Of a handle, which is written where the library is told to. */
  public static final int BYTES = 8;

  private final ShimLibrary shim;
  private final String name;
  private final LongFunction<S> reader;
  private final LongConsumer release;

  /** Read side: the handle is in use. Write side: it is freed. */
  private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();

  private long handle;
  private S last;

  /**
   * @param name of what it stands for, as it reads in front of "has ended"
   * @param handleOut where the library wrote the handle
   * @param reader reads the counters
   * @param none what the counters are until they have been read for the last time
   * @param release frees the handle
   */
  public ShimHandle(
      ShimLibrary shim,
      String name,
      NativeBuffer handleOut,
      LongFunction<S> reader,
      S none,
      LongConsumer release) {
    this.shim = shim;
    this.name = name;
    this.handle = handleOut.bytes().getLong(0);
    this.reader = reader;
    this.last = none;
    this.release = release;
  }

  /**
   * Calls a function of the library.
   *
   * @param attempted as it reads behind "cannot"
   * @return its result, 0 or more
   * @throws ShimException if the result is negative
   * @throws IllegalStateException after the end
   */
  public int call(String attempted, LongToIntFunction function) {
    lock.readLock().lock();
    try {
      if (handle == 0) {
        throw new IllegalStateException(name + " has ended");
      }
      int result = function.applyAsInt(handle);
      if (result < 0) {
        throw shim.failure(attempted, result);
      }
      return result;
    } finally {
      lock.readLock().unlock();
    }
  }

  /** The counters; after the end, those of the end. */
  public S counters() {
    lock.readLock().lock();
    try {
      return handle == 0 ? last : reader.apply(handle);
    } finally {
      lock.readLock().unlock();
    }
  }

  /** Waits for calls that are under way; does nothing the second time. */
  @Override
  public void close() {
    lock.writeLock().lock();
    try {
      if (handle != 0) {
        try {
          last = reader.apply(handle);
        } finally {
          release.accept(handle);
          handle = 0;
        }
      }
    } finally {
      lock.writeLock().unlock();
    }
  }
}
