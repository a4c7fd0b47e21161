package dev.sluice.api.cni;

import java.util.Set;

/** What a plugin does for each verb. Each may be repeated, and then changes nothing. */
interface CniPlugin {

  /** Makes what the configuration asks for. */
  CniResult add(Attachment attachment, String namespacePath, CniConfig config);

  /** Unmakes what {@link #add} made; what is not there need not be. */
  void delete(Attachment attachment);

  /**
   * Looks whether everything is as {@link #add} left it.
   *
   * @throws CniException if it is not
   */
  void check(Attachment attachment, String namespacePath, CniConfig config);

  /** Unmakes what was made on a network for others than these. */
  void collect(String network, Set<Attachment> valid);
}
