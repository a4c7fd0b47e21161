package dev.sluice.daemon;

import dev.sluice.ffi.DescriptorMessage;
import dev.sluice.ffi.NativeBuffer;
import dev.sluice.ffi.Sys;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntUnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells systemd how far we are, where it asked to be told ({@code NOTIFY_SOCKET}, sd_notify(3)).
 */
final class ServiceManager {
  private static final Logger LOG = LoggerFactory.getLogger(ServiceManager.class);

  // bits/socket.h
  private static final int AF_UNIX = 1;
  private static final int SOCK_DGRAM = 2;
  private static final int SOCK_CLOEXEC = 0x80000;
  private static final int SUN_PATH_BYTES = 108;

  private ServiceManager() {}

  /** Sends assignments such as {@code READY=1}; does nothing outside systemd. */
  static void notify(String state) {
    byte[] message = state.getBytes(StandardCharsets.UTF_8);
    NativeBuffer data = NativeBuffer.allocate(message.length);
    data.bytes().put(0, message);
    tell(state, fd -> Sys.send(fd, data.address(), message.length, 0));
  }

  /**
   * Leaves a copy of an open descriptor with systemd, which hands it to the next process of this
   * service ({@link InheritedDescriptors}); it ignores that if the unit does not say {@code
   * FileDescriptorStoreMax=}. Does nothing outside systemd.
   */
  static void store(String name, int descriptor) {
    String state = "FDSTORE=1\nFDNAME=" + name;
    DescriptorMessage message =
        new DescriptorMessage(state.getBytes(StandardCharsets.UTF_8), descriptor);
    tell(state, fd -> message.send(fd, 0));
  }

  /**
   * How long systemd bears our silence before it ends us, see sd_watchdog_enabled(3); empty if for
   * ever: {@code WATCHDOG=1} is to come more often.
   *
   * @param environment of this process
   * @param pid of this process: the variables may be meant for another that handed them on
   */
  static Optional<Duration> watchdogTimeout(Map<String, String> environment, long pid) {
    String micros = environment.getOrDefault("WATCHDOG_USEC", "");
    String meant = environment.getOrDefault("WATCHDOG_PID", Long.toString(pid));
    if (!meant.equals(Long.toString(pid)) || !micros.matches("[0-9]{1,18}")) {
      return Optional.empty();
    }
    Duration timeout = Duration.of(Long.parseLong(micros), ChronoUnit.MICROS);
    return timeout.isZero() ? Optional.empty() : Optional.of(timeout);
  }

  private static void tell(String state, IntUnaryOperator send) {
    String path = System.getenv("NOTIFY_SOCKET");
    if (path == null || path.isEmpty() || path.length() >= SUN_PATH_BYTES) {
      return;
    }
    byte[] name = path.getBytes(StandardCharsets.UTF_8);
    if (name[0] == '@') {
      name[0] = 0;
    }
    NativeBuffer address = NativeBuffer.allocate(Short.BYTES + SUN_PATH_BYTES);
    address.bytes().putShort(0, (short) AF_UNIX).put(Short.BYTES, name);
    int fd = Sys.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int result = fd < 0 ? fd : Sys.connect(fd, address, Short.BYTES + name.length);
    if (result >= 0) {
      result = send.applyAsInt(fd);
    }
    if (fd >= 0) {
      Sys.close(fd);
    }
    if (result < 0) {
      LOG.warn("systemd could not be told {}: errno {}", state, -result);
    }
  }
}
