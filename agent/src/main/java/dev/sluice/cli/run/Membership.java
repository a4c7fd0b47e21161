package dev.sluice.cli.run;

import dev.sluice.net.IpAddress;
import java.util.List;

/** What a new network namespace becomes a member of. */
public interface Membership {
  /**
   * Joins.
   *
   * @param namespacePath a file that stands for the namespace
   * @return who answers questions for names there
   * @throws RuntimeException if it is refused; then nothing has to be left
   */
  List<IpAddress> join(String namespacePath);

  /** Leaves again; called once after each time it has joined. */
  void leave();
}
