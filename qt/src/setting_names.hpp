// setting_names: the engine's settings by Qt's names.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_SETTING_NAMES_HPP
#define SALLYPORT_QT_SETTING_NAMES_HPP

#include <string>

namespace sallyport::qt {

/// A sentence of the engine's about a setting ("alpn_protocols: ...") by Qt's name for it ("allowedNextProtocols:
/// ...").
std::string in_qts_words(std::string sentence);

}  // namespace sallyport::qt

#endif
