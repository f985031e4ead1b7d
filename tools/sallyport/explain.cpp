// explain: the library's explanations as text for a terminal and as a page of the documentation.
//
// SPDX-License-Identifier: Apache-2.0
#include "explain.hpp"

#include "text.hpp"

#include <sallyport/handshake_report.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>

namespace sallyport::tool {
namespace {

constexpr std::size_t terminal_width = 100;
constexpr std::size_t page_width = 120;
constexpr std::size_t most_suggestions = 3;

constexpr std::string_view page_begin =
    "# Why a handshake failed\n"
    "\n"
    "Each handshake that fails has one reason: the log's `reason`, the code of `ssl_server::error_occurred`, a value "
    "of\n"
    "`handshake_error`. This is what they mean and what helps. The same text is printed by `sallyport explain REASON`, "
    "and\n"
    "this page by `sallyport explain --markdown`: it is written in `src/tls/explanation.cpp`.\n"
    "\n"
    "HOST, PORT and NAME stand for the server's address and the name that clients use for it.\n"
    "\n";

// Broken between words so that no line is longer than `width`, unless a word is. What is between backquotes stays in
// one piece, so that a command or option isn't torn.
std::string wrapped_paragraph(std::string_view text, std::size_t width) {
  std::string lines;
  std::size_t column = 0;
  while (!text.empty()) {
    std::size_t end = 0;
    bool quoted = false;
    while (end < text.size() && (quoted || text[end] != ' ')) quoted ^= text[end++] == '`';
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (column != 0 && column + 1 + word.size() > width) {
      lines += '\n';
      column = 0;
    } else if (column != 0) {
      lines += ' ';
      ++column;
    }
    lines += word;
    column += word.size();
  }
  return lines;
}

// Every line of a text; those that begin with spaces are commands and stay as they are.
std::string wrapped(std::string_view text, std::size_t width) {
  std::string lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    lines += line.starts_with(' ') ? std::string(line) : wrapped_paragraph(line, width);
    lines += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string sentence(handshake_error reason) { return make_error_code(reason).message(); }

std::string noise_note(const explanation& about) {
  return about.expected ? " It happens every day on a public port: only many of them mean something." : "";
}

std::string markdown_section(handshake_error reason) {
  const explanation& about = explain(reason);
  return "## " + std::string(to_string(reason)) + "\n\n" + wrapped(sentence(reason) + noise_note(about), page_width) +
         "\n" + wrapped("**Cause.** " + std::string(about.cause), page_width) + "\n" +
         wrapped("**Cure.** " + std::string(about.cure), page_width);
}

// How many letters have to be inserted, deleted or replaced to turn one into the other (Levenshtein).
std::size_t distance(std::string_view one, std::string_view other) {
  std::vector<std::size_t> row(other.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < one.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < other.size(); ++j) {
      const std::size_t replaced = diagonal + (one[i] == other[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replaced});
    }
  }
  return row.back();
}

// Written as in a log of another kind, or as somebody says it: "No-Common-Cipher".
std::string normalized(std::string_view name) {
  std::string text(name);
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-' || c == ' ') c = '_';
  }
  return text;
}

}  // namespace

std::string explanation_text(handshake_error reason) {
  const explanation& about = explain(reason);
  return std::string(to_string(reason)) + "\n\n" + wrapped(sentence(reason) + noise_note(about), terminal_width) +
         "\n" + wrapped("Cause: " + std::string(about.cause), terminal_width) + "\n" +
         wrapped("Cure: " + std::string(about.cure), terminal_width);
}

std::string reasons_text() {
  std::size_t width = 0;
  for (const handshake_error reason : all_handshake_errors()) width = std::max(width, to_string(reason).size());
  std::string text;
  for (const handshake_error reason : all_handshake_errors()) {
    const std::string_view name = to_string(reason);
    text += std::string(name) + std::string(width - name.size() + 2, ' ') + sentence(reason) + "\n";
  }
  return text + "\nCause and cure of one: sallyport explain REASON\n";
}

std::string reasons_markdown() {
  std::string page(page_begin);
  for (const handshake_error reason : all_handshake_errors()) {
    const std::string name(to_string(reason));
    page += "- [" + name + "](#" + name + "): " + sentence(reason) + "\n";
  }
  for (const handshake_error reason : all_handshake_errors()) page += "\n" + markdown_section(reason);
  return page;
}

std::optional<handshake_error> reason_from_name(std::string_view name) {
  for (const handshake_error reason : all_handshake_errors()) {
    if (to_string(reason) == name) return reason;
  }
  return std::nullopt;
}

std::vector<std::string> nearest_reasons(std::string_view name) {
  // No reason's name is half as long as this: the rest changes nothing but the time it takes.
  const std::string wanted = normalized(name.substr(0, 100));
  std::vector<std::string> names;
  std::size_t nearest = SIZE_MAX;
  for (const handshake_error reason : all_handshake_errors()) {
    const std::string candidate(to_string(reason));
    // A part of a name, such as "cipher", means all names that have it.
    const bool is_part = wanted.size() >= 3 && candidate.find(wanted) != std::string::npos;
    const std::size_t far = is_part ? 0 : distance(wanted, candidate);
    if (far < nearest) names.clear();
    nearest = std::min(far, nearest);
    if (far == nearest && names.size() < most_suggestions) names.push_back(candidate);
  }
  // Beyond a third of the word it is no mistyping.
  if (nearest > wanted.size() / 3) names.clear();
  return names;
}

std::string unknown_reason(std::string_view name) {
  const std::vector<std::string> nearest = nearest_reasons(name);
  if (nearest.empty()) return in_quotes(name) + " is no reason (sallyport explain lists all)";
  std::string text = in_quotes(name) + " is no reason; did you mean " + nearest.front();
  for (std::size_t i = 1; i < nearest.size(); ++i) text += (i + 1 == nearest.size() ? " or " : ", ") + nearest[i];
  return text + "? (sallyport explain lists all)";
}

}  // namespace sallyport::tool
