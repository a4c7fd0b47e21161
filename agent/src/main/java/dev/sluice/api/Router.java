package dev.sluice.api;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.hc.core5.http.HttpException;

/** Which resource is at which path. */
final class Router {
  private static final String VARIABLE = "{}";

  private final Map<String, Map<String, Action>> fixed = new HashMap<>();
  private final List<Pattern> patterns = new ArrayList<>();

  /** What is done for one method at one path. */
  @FunctionalInterface
  interface Action {
    void run(Exchange exchange) throws HttpException, IOException;
  }

  /**
   * A resource that is there.
   *
   * @param actions by method
   * @param parts the variable parts of the path, as they were sent
   */
  record Found(Map<String, Action> actions, List<String> parts) {}

  /** A path with variable parts. */
  private record Pattern(List<String> parts, Map<String, Action> actions) {

    Optional<Found> match(List<String> path) {
      if (path.size() != parts.size()) {
        return Optional.empty();
      }
      List<String> variable = new ArrayList<>();
      for (int i = 0; i < path.size(); i++) {
        String part = path.get(i);
        if (parts.get(i).equals(VARIABLE) && !part.isEmpty()) {
          variable.add(part);
        } else if (!parts.get(i).equals(part)) {
          return Optional.empty();
        }
      }
      return Optional.of(new Found(actions, variable));
    }
  }

  /**
   * Adds a resource.
   *
   * @param path its path; a part that is {@code {}} stands for anything but nothing
   * @param actions what is done there, by method
   */
  Router add(String path, Map<String, Action> actions) {
    if (path.contains(VARIABLE)) {
      patterns.add(new Pattern(split(path), actions));
    } else {
      fixed.put(path, actions);
    }
    return this;
  }

  Optional<Found> find(String path) {
    Map<String, Action> actions = fixed.get(path);
    if (actions != null) {
      return Optional.of(new Found(actions, List.of()));
    }
    List<String> parts = split(path);
    return patterns.stream().flatMap(pattern -> pattern.match(parts).stream()).findFirst();
  }

  private static List<String> split(String path) {
    return List.of(path.split("/", -1));
  }
}
