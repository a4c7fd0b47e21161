package dev.sluice.route;

import java.util.Optional;

/**
 * What the kernel said about a packet's route.
 *
 * @param route where it goes: its type says whether to this host itself (RTN_LOCAL); empty if it is
 *     refused
 * @param errno why it is refused (ENETUNREACH, EHOSTUNREACH, EACCES for a prohibiting route, EXDEV
 *     for a source that should not come in there, EINVAL for addresses that cannot be on the wire);
 *     0 if it is not
 */
public record RouteAnswer(Optional<Route> route, int errno) {
  static RouteAnswer of(Route route) {
    return new RouteAnswer(Optional.of(route), 0);
  }

  static RouteAnswer refused(int errno) {
    return new RouteAnswer(Optional.empty(), errno);
  }

  /** Whether the packet is for this host itself. */
  public boolean isLocal() {
    return route.filter(found -> found.type() == LinuxRtnetlink.RTN_LOCAL).isPresent();
  }
}
