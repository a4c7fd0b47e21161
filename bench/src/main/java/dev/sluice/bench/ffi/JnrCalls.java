package dev.sluice.bench.ffi;

import java.nio.ByteBuffer;
import jnr.ffi.LibraryLoader;
import jnr.ffi.Pointer;
import jnr.ffi.annotations.IgnoreError;
import jnr.ffi.types.size_t;
import jnr.ffi.types.ssize_t;

/**
 * The three calls through jnr-ffi. By default jnr saves errno after every call; {@code IgnoreError}
 * leaves that out. Public because jnr implements it in a class of its own.
 */
public interface JnrCalls {
  /** Loads libc with errno saved by default. */
  static JnrCalls load() {
    return LibraryLoader.create(JnrCalls.class).load("c");
  }

  int abs(int value);

  int close(int fd);

  int socket(int domain, int type, int protocol);

  @ssize_t
  long recv(int fd, long address, @size_t long length, int flags);

  @ssize_t
  long recv(int fd, ByteBuffer buffer, @size_t long length, int flags);

  @ssize_t
  long recv(int fd, Pointer buffer, @size_t long length, int flags);

  /** The same library with errno left alone. */
  interface WithoutErrno {
    /** Loads libc without errno being saved. */
    static WithoutErrno load() {
      return LibraryLoader.create(WithoutErrno.class).load("c");
    }

    @IgnoreError
    int abs(int value);

    @IgnoreError
    int close(int fd);

    @IgnoreError
    @ssize_t
    long recv(int fd, long address, @size_t long length, int flags);
  }
}
