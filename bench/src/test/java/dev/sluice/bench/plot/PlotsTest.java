package dev.sluice.bench.plot;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.bench.Environment;
import dev.sluice.bench.Figure;
import dev.sluice.bench.Result;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.xml.sax.SAXException;

/** The pictures, drawn from results of a few figures. */
class PlotsTest {
  private static final int SLUICE_BLUE = 0x0072b2;
  private static final int LEGACY_ORANGE = 0xe69f00;
  private static final int PLAIN_GREY = 0x888888;
  private static final String NO_DTD =
      "http://apache.org/xml/features/nonvalidating/load-external-dtd";

  private final Path directory;

  PlotsTest(@TempDir Path directory) {
    this.directory = directory;
  }

  /** Fails if {@code Plots.PLOTS} loses the picture of reach, or that reads other rows. */
  @Test
  void reachIsDrawnAsSvgAndPng() throws Exception {
    Map<String, String> drawn = Plots.draw(reach(), directory);

    assertThat(drawn).containsOnlyKeys("reach");
    String svg = parsedSvg("reach");
    assertThat(svg).contains("rgb(0,114,178)", "rgb(230,159,0)", "rgb(136,136,136)");
    BufferedImage png = png("reach");
    assertThat(png.getWidth()).isEqualTo(2 * Sheet.WIDTH);
    for (int color : List.of(SLUICE_BLUE, LEGACY_ORANGE, PLAIN_GREY)) {
      assertThat(pixels(png, color)).as("pixels of %06x", color).isPositive();
    }
  }

  /** Fails if {@code Charts.lines} has no logarithmic axis upwards. */
  @Test
  void aTenthIsAsFarDownAsAHundredthFromATenth() throws IOException {
    Plots.draw(reach(), directory);

    BufferedImage png = png("reach");
    // Lines fall from 10,000 to 100 and stay at 10,000 and 1,000: half-way between them.
    int top = middleRow(png, SLUICE_BLUE);
    int grey = middleRow(png, PLAIN_GREY);
    int bottom = lastRow(png, LEGACY_ORANGE);
    assertThat((double) (grey - top) / (bottom - top)).isBetween(0.45, 0.55);
  }

  /** Fails if {@code Sheet.writeSvg} leaves the names that change from run to run. */
  @Test
  void theSameResultIsTheSameSvg() throws IOException {
    Plots.draw(reach(), directory);
    String first = Files.readString(directory.resolve("reach.svg"));
    Plots.draw(reach(), directory);

    assertThat(Files.readString(directory.resolve("reach.svg"))).isEqualTo(first);
  }

  /** Fails if {@code Plots.caption} leaves out the tools. */
  @Test
  void theVersionsAreInThePicture() throws Exception {
    Plots.draw(reach(), directory);
    String with = Files.readString(directory.resolve("reach.svg"));
    Plots.draw(result("reach", "iptables v9", reach().figures()), directory);

    assertThat(Files.readString(directory.resolve("reach.svg"))).isNotEqualTo(with);
  }

  /** Fails if {@code Plots.PLOTS} loses a picture of the proxies, or a contender its bars. */
  @Test
  void proxiesAreDrawnInThreePictures() throws Exception {
    List<Figure> figures =
        List.of(
            figure("connections", "rate ÷ docker-proxy's", "Sluice's proxy", 2),
            figure("connections", "rate ÷ docker-proxy's", "nftables", 5),
            figure("connections", "processor time of the proxy", "Sluice's proxy", 20),
            figure("connections", "processor time of the proxy", "docker-proxy", 30),
            figure("memory, 500 ports", "PSS", "Sluice's proxy", 200),
            figure("memory, 500 ports", "PSS", "docker-proxy", 900));

    Map<String, String> drawn = Plots.draw(result("proxy", "docker", figures), directory);

    assertThat(drawn).containsOnlyKeys("proxy-rate", "proxy-time", "proxy-memory");
    for (String name : drawn.keySet()) {
      assertThat(parsedSvg(name)).contains("rgb(0,114,178)", "rgb(213,94,0)");
      assertThat(pixels(png(name), SLUICE_BLUE)).isPositive();
    }
  }

  /**
   * Fails if {@code Plots.tenPorts} or {@code Plots.onePort} reads other rows, or stumbles at 0.
   */
  @Test
  void clientsAreDrawnInTwoPictures() throws Exception {
    String ten = "docker run, 10 ports beyond none";
    List<Figure> figures =
        List.of(
            figure("0 present", ten, "Docker", 150),
            figure("10,000 present", ten, "Docker", 6_600),
            figure("0 present", ten, "Sluice, takeover", -1),
            figure("10,000 present", ten, "Sluice, takeover", 20),
            figure("10,000 present", "one port more", "Sluice, CNI", 2));

    Map<String, String> drawn = Plots.draw(result("clients", "docker", figures), directory);

    assertThat(drawn).containsOnlyKeys("clients-docker", "clients-cni");
    for (String name : drawn.keySet()) {
      assertThat(parsedSvg(name)).contains("rgb(0,114,178)");
      assertThat(pixels(png(name), SLUICE_BLUE)).isPositive();
    }
  }

  /** Fails if {@code Plots.fastPath} reads other rows. */
  @Test
  void theFastPathIsDrawnBesideTheOthers() throws Exception {
    List<Figure> figures =
        List.of(
            figure("TCP request/response", "÷ nft map's", "Sluice", 1.4),
            figure("TCP request/response", "÷ nft map's", "plain routing", 1.2),
            figure("TCP request/response", "÷ nft map's", "direct veth", 1.6));

    Map<String, String> drawn = Plots.draw(result("fastpath", "nft", figures), directory);

    assertThat(drawn).containsOnlyKeys("fastpath");
    assertThat(parsedSvg("fastpath")).contains("rgb(0,114,178)", "rgb(136,136,136)");
    assertThat(pixels(png("fastpath"), SLUICE_BLUE)).isPositive();
  }

  /** Fails if {@code Plots.memory} or {@code Plots.add} reads other rows. */
  @Test
  void peersAreDrawnInTwoPictures() throws Exception {
    String kind = "kernel, rules or elements, per mapping";
    List<Figure> figures =
        List.of(
            figure("add 1, 0 present", "median", "Sluice", 300),
            figure("add 1, 10,000 present", "median", "Sluice", 310),
            figure("memory, 10,000 mappings", kind, "Sluice", 170));

    Map<String, String> drawn = Plots.draw(result("peers", "nft", figures), directory);

    assertThat(drawn).containsOnlyKeys("peers-add", "peers-memory");
    for (String name : drawn.keySet()) {
      assertThat(parsedSvg(name)).contains("rgb(0,114,178)");
      assertThat(pixels(png(name), SLUICE_BLUE)).isPositive();
    }
  }

  /** Fails if {@code Plots.draw} writes a picture of nothing. */
  @Test
  void nothingIsDrawnOfAResultWithoutItsRows() throws IOException {
    List<Figure> figures = List.of(figure("machine", "load average", "Sluice", 1));

    for (String name : List.of("reach", "proxy", "peers", "fastpath", "floor")) {
      assertThat(Plots.draw(result(name, "none", figures), directory)).isEmpty();
    }
    assertThat(directory).isEmptyDirectory();
  }

  private static Result reach() {
    List<Figure> figures = new ArrayList<>();
    figures.add(figure("no mapping", "connections", "plain routing", 1_000));
    figures.add(figure("the last of 1", "connections", "Sluice", 10_000));
    figures.add(figure("the last of 10,000", "connections", "Sluice", 10_000));
    figures.add(figure("the last of 1", "connections", "iptables-legacy", 10_000));
    figures.add(figure("the last of 10,000", "connections", "iptables-legacy", 100));
    return result("reach", "iptables v1", figures);
  }

  private static Figure figure(String subject, String variant, String runtime, double value) {
    return new Figure(subject, variant, runtime, "1", List.of(value));
  }

  private static Result result(String name, String tool, List<Figure> figures) {
    Environment where =
        new Environment("Linux 6", "CPU", 2, 1, List.of("openjdk"), "gcc", "nft", 0);
    return new Result(
        name, "title", "bench/run " + name, "2026-01-01T00:00:00Z", where, List.of(tool), figures);
  }

  /** The text of a picture that an XML parser takes. */
  private String parsedSvg(String name)
      throws IOException, ParserConfigurationException, SAXException {
    Path file = directory.resolve(name + ".svg");
    DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
    factory.setFeature(NO_DTD, false);
    assertThat(factory.newDocumentBuilder().parse(file.toFile()).getDocumentElement().getTagName())
        .isEqualTo("svg");
    return Files.readString(file);
  }

  private BufferedImage png(String name) throws IOException {
    return ImageIO.read(directory.resolve(name + ".png").toFile());
  }

  private static long pixels(BufferedImage image, int color) {
    long count = 0;
    for (int y = 0; y < image.getHeight(); y++) {
      count += pixelsInRow(image, y, color);
    }
    return count;
  }

  private static int pixelsInRow(BufferedImage image, int y, int color) {
    int count = 0;
    // Without the legend, which is at the right.
    for (int x = 0; x < image.getWidth() * 3 / 4; x++) {
      if ((image.getRGB(x, y) & 0xffffff) == color) {
        count++;
      }
    }
    return count;
  }

  /** Where a level line is. */
  private static int middleRow(BufferedImage image, int color) {
    int best = 0;
    for (int y = 0; y < image.getHeight(); y++) {
      if (pixelsInRow(image, y, color) > pixelsInRow(image, best, color)) {
        best = y;
      }
    }
    return best;
  }

  /** Where the lowest marker ends. */
  private static int lastRow(BufferedImage image, int color) {
    int last = 0;
    for (int y = 0; y < image.getHeight(); y++) {
      if (pixelsInRow(image, y, color) > 0) {
        last = y;
      }
    }
    return last;
  }
}
