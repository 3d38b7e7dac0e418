#include "drawing/page.h"

#include "drawing/html.h"

namespace colossus::drawing {

std::string page_html(std::string_view title, std::string_view body,
                      std::string_view more_css) {
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, "
      "initial-scale=1\">\n";
  html += element("title", "", escape_html(title));
  html += "\n<style>" + std::string(page_css()) + std::string(more_css) +
          "</style>\n</head>\n<body>\n<main>\n" + std::string(body) +
          "</main>\n<script>" + std::string(page_script()) +
          "</script>\n</body>\n</html>\n";
  return html;
}

}  // namespace colossus::drawing
