package dev.sluice.flow;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Makes the kernel tell what flow events need: that flows begin and end, how much went through them
 * and when. To be applied before the first subscription: what a flow does not record from its start
 * it cannot tell at its end.
 *
 * <p>The settings belong to the network namespace of the thread that applies them.
 *
 * @param changes what was changed
 * @param missing one sentence for each setting that this kernel does not have: what the events will
 *     lack
 */
public record TrackingSettings(List<Change> changes, List<String> missing) {
  /** Where the kernel shows them. */
  public static final Path DIRECTORY = Path.of("/proc/sys/net/netfilter");

  private static final String EVENTS = "nf_conntrack_events";

  private enum Setting {
    EVENTS_ON(EVENTS, "there are no flow events"),
    ACCOUNTING("nf_conntrack_acct", "flow events have no packets and bytes"),
    TIMESTAMPS("nf_conntrack_timestamp", "flow events have no start and stop");

    private final String file;
    private final String without;

    Setting(String file, String without) {
      this.file = file;
      this.without = without;
    }
  }

  /**
   * A setting that was changed.
   *
   * @param name its name: {@code nf_conntrack_acct}
   * @param before its value until then
   * @param after its value now
   */
  public record Change(String name, String before, String after) {
    /** {@code nf_conntrack_acct: 0 → 1}. */
    @Override
    public String toString() {
      return name + ": " + before + " → " + after;
    }
  }

  /** Copies the lists. */
  public TrackingSettings {
    changes = List.copyOf(changes);
    missing = List.copyOf(missing);
  }

  /**
   * Sets what is not set yet, in the calling thread's namespace.
   *
   * @throws TrackingUnavailableException if flows are not tracked here, or the settings must not be
   *     changed
   */
  public static TrackingSettings apply() {
    return apply(DIRECTORY);
  }

  /** As {@link #apply()}, with the files in {@code directory}. */
  static TrackingSettings apply(Path directory) {
    if (!Files.exists(directory.resolve(EVENTS))) {
      throw new TrackingUnavailableException(
          "connection tracking is not available: there is no "
              + directory.resolve(EVENTS)
              + "; load it with \"modprobe nf_conntrack\", or use a kernel that has it",
          null);
    }
    List<Change> changes = new ArrayList<>();
    List<String> missing = new ArrayList<>();
    for (Setting setting : Setting.values()) {
      Path file = directory.resolve(setting.file);
      try {
        String before = Files.readString(file).strip();
        if (!before.equals("1")) {
          Files.writeString(file, "1\n");
          changes.add(new Change(setting.file, before, "1"));
        }
      } catch (NoSuchFileException e) {
        missing.add("this kernel has no " + setting.file + ", so " + setting.without);
      } catch (IOException e) {
        throw new TrackingUnavailableException(
            "cannot set "
                + file
                + " to 1 ("
                + e.getMessage()
                + "), and without it "
                + setting.without
                + "; run the agent as root, with /proc/sys writable",
            e);
      }
    }
    return new TrackingSettings(changes, missing);
  }

  /**
   * Puts back what {@link #apply()} changed, in the calling thread's namespace; what somebody else
   * has changed since then is left alone.
   *
   * @throws UncheckedIOException if a setting must not be changed
   */
  public void restore() {
    restore(DIRECTORY);
  }

  /** As {@link #restore()}, with the files in {@code directory}. */
  void restore(Path directory) {
    for (Change change : changes) {
      Path file = directory.resolve(change.name());
      try {
        if (Files.readString(file).strip().equals(change.after())) {
          Files.writeString(file, change.before() + "\n");
        }
      } catch (IOException e) {
        throw new UncheckedIOException(
            "cannot set " + file + " back to " + change.before() + ": " + e.getMessage(), e);
      }
    }
  }
}
