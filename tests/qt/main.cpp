// main: the Qt module's tests, which need a QCoreApplication.
//
// SPDX-License-Identifier: Apache-2.0
#include <QtCore/QCoreApplication>

#include <gmock/gmock.h>

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  const QCoreApplication application(argc, argv);
  return RUN_ALL_TESTS();
}
