package dev.sluice.api.cni;

/**
 * What a plugin says to its runtime.
 *
 * @param succeeded whether it ends with exit code 0
 * @param body what it prints: a result, nothing, or an error
 * @param keepForLater whether it is a DEL that may succeed later where it has not now, and its
 *     runtime is not to be bothered with it
 */
public record CniAnswer(boolean succeeded, String body, boolean keepForLater) {

  /** A verb that has no result. */
  static final CniAnswer DONE = new CniAnswer(true, "", false);

  static CniAnswer of(CniResult result, CniVersion version) {
    return new CniAnswer(true, CniJson.text(json -> result.write(json, version)), false);
  }

  static CniAnswer of(CniException e, CniVersion version, boolean keepForLater) {
    return new CniAnswer(
        false,
        CniJson.text(
            json -> {
              json.writeStartObject();
              json.writeStringProperty("cniVersion", version.toString());
              json.writeNumberProperty("code", e.code().number());
              json.writeStringProperty("msg", String.valueOf(e.getMessage()));
              e.details().ifPresent(details -> json.writeStringProperty("details", details));
              json.writeEndObject();
            }),
        keepForLater);
  }
}
