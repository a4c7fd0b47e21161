package dev.sluice.flow;

import dev.sluice.conntrack.ConntrackEntry;
import java.util.List;

/** What carries flows past the kernel's rules, for those who end flows. Thread-safe. */
public interface Carrier {
  /** Nothing is carried. */
  Carrier NONE =
      new Carrier() {
        @Override
        public void beforeEnd(List<ConntrackEntry> entries) {}

        @Override
        public void afterEnd(List<ConntrackEntry> entries) {}
      };

  /** The entries are about to be deleted: their ends are told with all that was carried of them. */
  void beforeEnd(List<ConntrackEntry> entries);

  /**
   * They have been deleted. When it returns, none of their packets is on its way, and none will be
   * carried any more.
   */
  void afterEnd(List<ConntrackEntry> entries);
}
