#include "analysis/report/report.h"

#include <array>
#include <cstddef>
#include <span>

#include "analysis/report/assets.h"
#include "analysis/report/markup.h"
#include "analysis/report/sections.h"
#include "core/sha256.h"

namespace seldon::analysis {
namespace {

using report::Material;

struct Section {
  const char *id, *title;
  std::string (*html)(const Material&);
};

constexpr std::array sections = {
    Section{"summary", "The guarantee, and what came out", report::summary_section},
    Section{"three-plots", "Three Plots", report::three_plots_section},
    Section{"trials", "Trial by trial", report::trials_section},
    Section{"traces", "Candidate selection", report::traces_section},
    Section{"subgroups", "Subgroups", report::subgroups_section},
    Section{"failures", "No solution, and failures", report::failures_section},
    Section{"timeline", "Timeline", report::timeline_section},
    Section{"reproduce", "Cite and reproduce", report::reproduction_section},
};

std::string base64(std::span<const unsigned char> bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (i + k < bytes.size() ? bytes[i + k] : 0U);
    for (std::size_t k = 0; k < 4; ++k)
      out += i + k <= bytes.size() ? digits[group >> (18 - 6 * k) & 63U] : '=';
  }
  return out;
}

/// The source expression of a script in a Content Security Policy.
std::string csp_hash(std::string_view script) {
  const auto hex = sha256_hex(std::as_bytes(std::span(script)));
  std::array<unsigned char, 32> digest{};
  for (std::size_t i = 0; i < digest.size(); ++i)
    digest.at(i) = static_cast<unsigned char>(std::stoul(hex.substr(2 * i, 2), nullptr, 16));
  return "'sha256-" + base64(digest) + "'";
}

/// Nothing is loaded, and no script runs but the report's own, whatever names a config holds.
std::string policy() {
  return "default-src 'none'; style-src 'unsafe-inline'; script-src " + csp_hash(report::script) +
         "; base-uri 'none'; form-action 'none'";
}

std::string head(const std::string& title) {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
         "http-equiv=\"Content-Security-Policy\" content=\"" +
         policy() +
         "\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta "
         "name=\"color-scheme\" content=\"light dark\">\n<title>" +
         escaped(title) + " – Seldon report</title>\n<style>\n" + report::style_sheet + "</style>\n</head>\n";
}

std::string footer(const ReportOptions& options) {
  std::string out = "<footer>\n<p>";
  if (options.now > 0) out += "Written " + report::date(options.now);
  if (!options.program.empty()) out += " by " + escaped(options.program);
  return out + ". This file needs no network.</p>\n</footer>\n";
}

}  // namespace

std::string report_html(const std::string& store, const Results& results, const ReportOptions& options) {
  const Material material{store, results, options, aggregate(results, options.selection, options.choice),
                          status_of(results, options.now)};
  std::string navigation, body;
  for (const auto& section : sections) {
    const auto html = section.html(material);
    if (html.empty()) continue;
    const std::string id = section.id, title = section.title;
    navigation.append("<li><a href=\"#").append(id).append("\">").append(title).append("</a></li>\n");
    body.append("<section id=\"").append(id).append("\" aria-labelledby=\"").append(id).append("-title\">\n");
    body.append("<h2 id=\"").append(id).append("-title\">").append(title).append("</h2>\n");
    body.append(html).append("</section>\n");
  }
  const auto& title = options.title.empty() ? results.header.name : options.title;
  std::string page = head(title) + "<body>\n<a class=\"skip\" href=\"#content\">Skip to the content</a>\n" +
                     report::masthead(material);
  page += "<div class=\"page\">\n<nav aria-label=\"Contents\"><ol>\n" + navigation + "</ol></nav>\n";
  page += "<main id=\"content\" tabindex=\"-1\">\n" + body + "</main>\n</div>\n" + footer(options);
  page.append(
      "<div id=\"tip\" class=\"tip\" hidden></div>\n<div id=\"live\" class=\"hidden\" "
      "role=\"status\"></div>\n");
  page.append("<script>").append(report::script).append("</script>\n</body>\n</html>\n");
  return page;
}

}  // namespace seldon::analysis
