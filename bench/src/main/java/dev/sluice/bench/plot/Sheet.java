package dev.sluice.bench.plot;

import de.erichseifert.vectorgraphics2d.VectorGraphics2D;
import de.erichseifert.vectorgraphics2d.svg.SVGProcessor;
import de.erichseifert.vectorgraphics2d.util.PageSize;
import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.knowm.xchart.internal.chartpart.Chart;

/**
 * A chart and what it was made of, on one page.
 *
 * @param caption lines below the chart
 */
record Sheet(Chart<?, ?> chart, List<String> caption) {
  /** Of a page in its own units; the PNG has twice as many pixels. */
  static final int WIDTH = 860;

  static final int CHART_HEIGHT = 480;

  private static final int PNG_SCALE = 2;
  private static final int CAPTION_FONT = 10;
  private static final int CAPTION_LINE = 14;
  private static final int MARGIN = 12;
  private static final Color CAPTION_COLOR = new Color(0x55, 0x55, 0x55);

  /** Fractions of a hundredth of a pixel, which nobody sees. */
  private static final Pattern FRACTION = Pattern.compile("(\\d\\.\\d\\d)\\d+");

  /** Named after an object's hash, another one each time. */
  private static final Pattern CLIP = Pattern.compile("clip-?\\d+");

  int height() {
    return CHART_HEIGHT + caption.size() * CAPTION_LINE + MARGIN;
  }

  /** Text is drawn as outlines: it looks the same whatever fonts the reader has. */
  void writeSvg(Path file) throws IOException {
    VectorGraphics2D graphics = new VectorGraphics2D();
    paint(graphics);
    ByteArrayOutputStream svg = new ByteArrayOutputStream();
    new SVGProcessor()
        .getDocument(graphics.getCommands(), new PageSize(0, 0, WIDTH, height()))
        .writeTo(svg);
    String text = FRACTION.matcher(svg.toString(StandardCharsets.UTF_8)).replaceAll("$1");
    Files.writeString(file, CLIP.matcher(text).replaceAll(new Numbering()::next).strip() + "\n");
  }

  void writePng(Path file) throws IOException {
    BufferedImage image =
        new BufferedImage(WIDTH * PNG_SCALE, height() * PNG_SCALE, BufferedImage.TYPE_INT_RGB);
    Graphics2D graphics = image.createGraphics();
    graphics.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
    graphics.setRenderingHint(RenderingHints.KEY_STROKE_CONTROL, RenderingHints.VALUE_STROKE_PURE);
    graphics.scale(PNG_SCALE, PNG_SCALE);
    paint(graphics);
    graphics.dispose();
    if (!ImageIO.write(image, "png", file.toFile())) {
      throw new IOException("this Java cannot write PNG, asked to write " + file);
    }
  }

  private void paint(Graphics2D graphics) {
    graphics.setColor(Color.WHITE);
    graphics.fillRect(0, 0, WIDTH, height());
    chart.paint(graphics, WIDTH, CHART_HEIGHT);
    graphics.setColor(CAPTION_COLOR);
    Font font = new Font(Font.SANS_SERIF, Font.PLAIN, CAPTION_FONT);
    for (int i = 0; i < caption.size(); i++) {
      graphics.fill(
          font.createGlyphVector(graphics.getFontRenderContext(), caption.get(i))
              .getOutline(MARGIN, CHART_HEIGHT + (i + 1) * CAPTION_LINE));
    }
  }

  /** Gives every name it meets a number of its own, and the same one again. */
  private static final class Numbering {
    private final List<String> seen = new ArrayList<>();

    String next(MatchResult match) {
      String name = match.group();
      if (!seen.contains(name)) {
        seen.add(name);
      }
      return "clip" + seen.indexOf(name);
    }
  }
}
