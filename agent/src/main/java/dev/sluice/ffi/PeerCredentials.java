package dev.sluice.ffi;

import java.util.Set;

/**
 * Who is at the other end of a unix socket, as the kernel recorded it when the peer connected
 * (unix(7): {@code SO_PEERCRED}, {@code SO_PEERGROUPS}).
 *
 * @param pid the process, 0 if it lives in a pid namespace this one cannot see
 * @param uid its effective user
 * @param gid its effective group
 * @param groups its supplementary groups
 */
public record PeerCredentials(int pid, int uid, int gid, Set<Integer> groups) {
  public PeerCredentials {
    groups = Set.copyOf(groups);
  }

  /** Whether the group is the peer's effective group or one of its supplementary ones. */
  public boolean isMemberOf(int group) {
    return gid == group || groups.contains(group);
  }

  /** As it reads in a log: {@code uid 1000, pid 4711}. */
  @Override
  public String toString() {
    return "uid " + Integer.toUnsignedString(uid) + ", pid " + pid;
  }
}
