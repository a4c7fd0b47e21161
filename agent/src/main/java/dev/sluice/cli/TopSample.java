package dev.sluice.cli;

import dev.sluice.api.ApiClient;
import dev.sluice.api.HostStatistics;
import dev.sluice.model.PublishedMapping;
import java.util.List;

/**
 * What {@code sluice top} asks for at one moment.
 *
 * @param nanos when, of {@link System#nanoTime}
 * @param statistics how events and the table of connections are doing
 * @param statisticsJson the same as the agent sent it
 * @param mappings everything published, with what it carried
 */
record TopSample(
    long nanos, HostStatistics statistics, String statisticsJson, List<PublishedMapping> mappings) {
  static TopSample take(ApiClient client) {
    List<PublishedMapping> mappings = client.publishedWithTraffic().value();
    ApiClient.Answer<HostStatistics> statistics = client.statistics();
    return new TopSample(System.nanoTime(), statistics.value(), statistics.json(), mappings);
  }
}
