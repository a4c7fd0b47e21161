package dev.sluice.daemon;

import static dev.sluice.netlink.LinuxNetlink.FD_CLOEXEC;
import static dev.sluice.netlink.LinuxNetlink.F_SETFD;

import dev.sluice.ffi.Sys;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Open descriptors that whoever started this process handed to it, as sd_listen_fds(3) describes:
 * {@code LISTEN_FDS} of them from number 3 on, named by {@code LISTEN_FDNAMES}, meant for the
 * process {@code LISTEN_PID}.
 */
final class InheritedDescriptors {
  private static final Logger LOG = LoggerFactory.getLogger(InheritedDescriptors.class);

  /** SD_LISTEN_FDS_START. */
  private static final int FIRST = 3;

  private InheritedDescriptors() {}

  /** What this process was handed, by name; the programs it starts do not get them. */
  static Map<String, Integer> take() {
    Map<String, Integer> named = parse(System.getenv(), ProcessHandle.current().pid());
    named.forEach(
        (name, fd) -> {
          int result = Sys.fcntl(fd, F_SETFD, FD_CLOEXEC);
          if (result < 0) {
            LOG.warn("descriptor {}, handed to us as {}, is not open: errno {}", fd, name, -result);
          }
        });
    return named;
  }

  /**
   * Reads the variables.
   *
   * @return numbers by name; of several with one name the first; none if the variables are meant
   *     for another process or are no numbers
   */
  static Map<String, Integer> parse(Map<String, String> environment, long pid) {
    Map<String, Integer> named = new LinkedHashMap<>();
    if (!environment.getOrDefault("LISTEN_PID", "").equals(Long.toString(pid))) {
      return named;
    }
    String count = environment.getOrDefault("LISTEN_FDS", "");
    if (!count.matches("[0-9]{1,4}")) {
      return named;
    }
    List<String> names = List.of(environment.getOrDefault("LISTEN_FDNAMES", "").split(":", -1));
    int described = Math.min(Integer.parseInt(count), names.size());
    for (int i = 0; i < described; i++) {
      named.putIfAbsent(names.get(i), FIRST + i);
    }
    return named;
  }
}
