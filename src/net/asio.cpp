// asio: Boost.Asio's compiled half (BOOST_ASIO_SEPARATE_COMPILATION), so that no other file has to compile it.
//
// SPDX-License-Identifier: Apache-2.0
#include <boost/asio/impl/src.hpp>
