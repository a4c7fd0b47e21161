package dev.sluice.bench.plot;

import dev.sluice.bench.clients.ClientsCost;
import dev.sluice.bench.fastpath.FastPathCost;
import dev.sluice.bench.reach.ProxyCost;
import dev.sluice.bench.reach.ReachCost;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.util.Collection;
import java.util.DoubleSummaryStatistics;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.AxesChartStyler;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.Marker;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Charts of one look, in which everybody has the same colour everywhere. */
final class Charts {
  /** Told apart by the colour-blind as well (Okabe and Ito). */
  private static final Color BLUE = new Color(0x00, 0x72, 0xb2);

  private static final Color SKY = new Color(0x56, 0xb4, 0xe9);
  private static final Color GREEN = new Color(0x00, 0x9e, 0x73);
  private static final Color ORANGE = new Color(0xe6, 0x9f, 0x00);
  private static final Color VERMILION = new Color(0xd5, 0x5e, 0x00);
  private static final Color PURPLE = new Color(0xcc, 0x79, 0xa7);
  private static final Color GREY = new Color(0x88, 0x88, 0x88);
  private static final Color GRID = new Color(0xdd, 0xdd, 0xdd);

  private static final Map<String, Color> COLORS =
      Map.ofEntries(
          Map.entry("Sluice", BLUE),
          Map.entry("Sluice, inside", SKY),
          Map.entry("nft add element", GREEN),
          Map.entry("nft -f", new Color(0x66, 0xc2, 0xa5)),
          Map.entry("iptables-legacy", ORANGE),
          Map.entry("iptables-nft", VERMILION),
          Map.entry("CNI portmap", PURPLE),
          Map.entry(ReachCost.PLAIN, GREY),
          Map.entry(ProxyCost.SLUICE, BLUE),
          Map.entry(ProxyCost.DOCKER, VERMILION),
          Map.entry(ProxyCost.TRANSLATED, GREY),
          Map.entry(FastPathCost.FAST, SKY),
          Map.entry(FastPathCost.NFT, GREEN),
          Map.entry(FastPathCost.DOCKER, VERMILION),
          Map.entry(FastPathCost.DIRECT, PURPLE),
          Map.entry(ClientsCost.DOCKER, VERMILION),
          Map.entry(ClientsCost.TAKEOVER, BLUE),
          Map.entry(ClientsCost.TAKEOVER + ": the agent's share", SKY),
          Map.entry(ClientsCost.DRIVER, GREEN),
          Map.entry("Sluice, CNI", BLUE),
          Map.entry("Sluice, API", SKY),
          Map.entry("sluice publish", GREY));

  private static final List<Color> KINDS = List.of(BLUE, SKY, GREY);
  private static final List<Marker> MARKERS =
      List.of(
          SeriesMarkers.CIRCLE,
          SeriesMarkers.SQUARE,
          SeriesMarkers.DIAMOND,
          SeriesMarkers.TRIANGLE_UP,
          SeriesMarkers.TRIANGLE_DOWN,
          SeriesMarkers.CROSS);
  private static final double LABELS_AT = 0.95;
  private static final int FEW_CATEGORIES = 4;
  private static final int SLANT_DEGREES = 12;
  private static final float LINE = 2f;
  private static final float THIN = 0.5f;

  private Charts() {}

  /**
   * Lines over numbers; what they show spans decades.
   *
   * @param logarithmic whether the numbers do so, too
   */
  static XYChart lines(
      String across,
      String upwards,
      boolean logarithmic,
      Map<String, NavigableMap<Integer, Double>> lines) {
    XYChart chart =
        new XYChartBuilder()
            .width(Sheet.WIDTH)
            .height(Sheet.CHART_HEIGHT)
            .xAxisTitle(across)
            .yAxisTitle(upwards)
            .build();
    style(chart.getStyler());
    chart.getStyler().setYAxisLogarithmic(true).setXAxisLogarithmic(logarithmic);
    chart.getStyler().setLegendPosition(Styler.LegendPosition.OutsideE);
    chart.getStyler().setXAxisDecimalPattern("#,##0");
    chart.getStyler().setYAxisDecimalPattern("#,##0.###");
    wholeDecades(chart, lines.values(), logarithmic);
    int index = 0;
    for (Map.Entry<String, NavigableMap<Integer, Double>> line : lines.entrySet()) {
      XYSeries series =
          chart.addSeries(
              line.getKey(),
              List.copyOf(line.getValue().keySet()),
              List.copyOf(line.getValue().values()));
      Color color = color(line.getKey());
      series.setLineColor(color).setLineStyle(new BasicStroke(LINE));
      series.setMarkerColor(color);
      series.setMarker(MARKERS.get(index % MARKERS.size()));
      index++;
    }
    return chart;
  }

  /** Only they have a label. */
  private static void wholeDecades(
      XYChart chart, Collection<NavigableMap<Integer, Double>> lines, boolean across) {
    DoubleSummaryStatistics values =
        lines.stream()
            .flatMap(line -> line.values().stream())
            .mapToDouble(Double::doubleValue)
            .summaryStatistics();
    chart.getStyler().setYAxisMin(Math.pow(10, Math.floor(Math.log10(values.getMin()))));
    chart.getStyler().setYAxisMax(Math.pow(10, Math.ceil(Math.log10(values.getMax()))));
    if (across) {
      int most = lines.stream().mapToInt(NavigableMap::lastKey).max().orElseThrow();
      chart.getStyler().setXAxisMin(1.0);
      chart.getStyler().setXAxisMax(Math.pow(10, Math.ceil(Math.log10(most))));
    }
  }

  /**
   * Bars side by side.
   *
   * @param labelled whether each has its value written in it
   * @param bars for each column as many values as there are categories
   */
  static CategoryChart bars(
      String upwards, List<String> categories, Map<String, List<Double>> bars, boolean labelled) {
    CategoryChart chart = categoryChart(upwards);
    chart.getStyler().setLabelsVisible(labelled).setLabelsPosition(LABELS_AT);
    if (categories.size() > FEW_CATEGORIES) {
      chart.getStyler().setXAxisLabelRotation(SLANT_DEGREES);
    }
    bars.forEach(
        (label, values) -> chart.addSeries(label, categories, values).setFillColor(color(label)));
    return chart;
  }

  /** Bars of several parts. */
  static CategoryChart stackedBars(
      String upwards, List<String> categories, Map<String, List<Double>> parts) {
    CategoryChart chart = categoryChart(upwards);
    chart.getStyler().setStacked(true);
    chart.getStyler().setYAxisDecimalPattern("#,##0");
    int index = 0;
    for (Map.Entry<String, List<Double>> part : parts.entrySet()) {
      chart
          .addSeries(part.getKey(), categories, part.getValue())
          .setFillColor(KINDS.get(index % KINDS.size()));
      index++;
    }
    return chart;
  }

  private static CategoryChart categoryChart(String upwards) {
    CategoryChart chart =
        new CategoryChartBuilder()
            .width(Sheet.WIDTH)
            .height(Sheet.CHART_HEIGHT)
            .yAxisTitle(upwards)
            .build();
    style(chart.getStyler());
    chart.getStyler().setLegendPosition(Styler.LegendPosition.OutsideS);
    chart.getStyler().setLegendLayout(Styler.LegendLayout.Horizontal);
    chart.getStyler().setYAxisDecimalPattern("#,##0.##");
    chart.getStyler().setAvailableSpaceFill(0.8);
    chart.getStyler().setYAxisMin(0.0);
    return chart;
  }

  private static void style(AxesChartStyler styler) {
    styler.setChartBackgroundColor(Color.WHITE);
    styler.setPlotBorderVisible(false);
    styler.setPlotGridLinesColor(GRID);
    styler.setPlotGridLinesStroke(new BasicStroke(THIN));
    styler.setLegendBorderColor(GRID);
    styler.setChartTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 15));
    styler.setAxisTitleFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
    styler.setAxisTickLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 11));
    styler.setLegendFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
  }

  private static Color color(String label) {
    return COLORS.getOrDefault(label, Color.BLACK);
  }
}
